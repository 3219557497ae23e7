-- Accepts an outcome exactly once: for the current attempt of a leased match.
-- KEYS: meta open matches leases done log refused
-- ARGV: id, attempt, digest, outcome, refused reports to keep
-- Returns a Verdict: accepted, repeated, stale, conflict or unknown.
local meta, open, matches, leases, done, log, refused = unpack(KEYS)
local id, attempt, digest, outcome, keep_refused = unpack(ARGV)
local accepted = redis.call('HGET', done, id)
if accepted == attempt .. ':' .. digest then
  return 'repeated'
end
if accepted then
  if string.match(accepted, '^%d+') ~= attempt then
    return 'stale'
  end
  if not redis.call('LPOS', refused, outcome) then
    redis.call('RPUSH', refused, outcome)
    redis.call('LTRIM', refused, -tonumber(keep_refused), -1)
  end
  return 'conflict'
end
local entry, match = read_open(open, id), redis.call('HGET', matches, id)
if not entry then
  local next_match = tonumber(redis.call('HGET', meta, 'next_match') or 0)
  return tonumber(id) < next_match and 'stale' or 'unknown'
end
if entry.attempt ~= tonumber(attempt) or entry.state ~= 'leased' then
  return 'stale'
end
if not match then
  return refuse('match ' .. id .. ' is open and its text is lost')
end

append(meta, log, done, id, attempt, digest, match, outcome)
redis.call('HDEL', open, id)
redis.call('HDEL', matches, id)
redis.call('ZREM', leases, id)
return 'accepted'
