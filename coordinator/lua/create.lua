-- Begins a run in an empty namespace.
-- KEYS: meta
-- ARGV: schema, config
-- Returns OK; REFUSED when a run is there.
local meta = KEYS[1]
if redis.call('EXISTS', meta) == 1 then
  return refuse('a run is there already')
end
redis.call('HSET', meta, 'schema', ARGV[1], 'config', ARGV[2],
  'epoch', 0, 'next_match', 1, 'last_seq', 0, 'state', 'stopped')
return redis.status_reply('OK')
