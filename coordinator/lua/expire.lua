-- Ends every lease whose deadline is past, as a failure of the match's attempt.
-- KEYS: meta ready open leases
-- ARGV: epoch, now
-- Returns (id, 'ready' or 'parked')*. STALEEPOCH.
local meta, ready, open, leases = unpack(KEYS)
local stale = fence(meta, ARGV[1])
if stale then
  return stale
end
local late, broken = collect(open, redis.call('ZRANGEBYSCORE', leases, '-inf', ARGV[2]), function()
  return true
end)
if not late then
  return broken
end

local answer = {}
for i = #late, 1, -1 do -- from the back, since each goes to the front of the ready list
  local lease = late[i]
  local why = 'the lease of ' .. lease.entry.owner .. ' ran out'
  answer[#answer + 1] = lease.id
  answer[#answer + 1] = end_attempt(open, ready, leases, lease.id, lease.entry, why)
end
return answer
