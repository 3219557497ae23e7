-- Moves the deadline of everything that an owner leases; never to an earlier time.
-- KEYS: open leases
-- ARGV: owner, deadline
-- Returns the number of its leases.
local open, leases = unpack(KEYS)
local owner, deadline = unpack(ARGV)
local held, broken = collect(open, redis.call('ZRANGE', leases, 0, -1), function(entry)
  return entry.owner == owner
end)
if not held then
  return broken
end

for _, lease in ipairs(held) do
  redis.call('ZADD', leases, 'XX', 'GT', deadline, lease.id)
end
return #held
