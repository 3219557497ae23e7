-- A coordinator takes over; whatever an earlier one sends from now on is refused.
-- KEYS: meta
-- ARGV: schema
-- Returns the new epoch; REFUSED when there is no run, or one of another schema.
local meta = KEYS[1]
if redis.call('HGET', meta, 'schema') ~= ARGV[1] then
  return refuse('there is no run of schema ' .. ARGV[1])
end
return redis.call('HINCRBY', meta, 'epoch', 1)
