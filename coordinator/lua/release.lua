-- An owner is gone: its leases end, and its heartbeat is forgotten.
-- KEYS: meta ready open leases actors
-- ARGV: epoch, owner, why it failed or '' when it did not
-- Returns (id, 'ready' or 'parked')*. STALEEPOCH.
local meta, ready, open, leases, actors = unpack(KEYS)
local epoch, owner, why = unpack(ARGV)
local stale = fence(meta, epoch)
if stale then
  return stale
end
local held, broken = collect(open, redis.call('ZRANGE', leases, 0, -1), function(entry)
  return entry.owner == owner
end)
if not held then
  return broken
end

local answer = {}
for i = #held, 1, -1 do -- from the back, since each goes to the front of the ready list
  local lease = held[i]
  answer[#answer + 1] = lease.id
  answer[#answer + 1] = end_attempt(open, ready, leases, lease.id, lease.entry, why)
end
redis.call('HDEL', actors, owner)
return answer
