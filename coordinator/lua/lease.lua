-- Gives an actor the oldest ready matches. Not to be sent twice: the second time leases others.
-- KEYS: ready open matches leases
-- ARGV: owner, how many at most, deadline
-- Returns (id, attempt, match)*.
local ready, open, matches, leases = unpack(KEYS)
local owner, limit, deadline = unpack(ARGV)
local taken = {}
for _, id in ipairs(redis.call('LRANGE', ready, 0, tonumber(limit) - 1)) do
  local entry, match = read_open(open, id), redis.call('HGET', matches, id)
  if not entry or not match or entry.state ~= 'ready' then
    return refuse('match ' .. id .. ' is on the ready list and not ready')
  end
  entry.owner, entry.state = owner, 'leased'
  taken[#taken + 1] = { id = id, entry = entry, match = match }
end

local answer = {}
for _, lease in ipairs(taken) do
  redis.call('LPOP', ready)
  redis.call('HSET', open, lease.id, cjson.encode(lease.entry))
  redis.call('ZADD', leases, deadline, lease.id)
  answer[#answer + 1] = lease.id
  answer[#answer + 1] = lease.entry.attempt
  answer[#answer + 1] = lease.match
end
return answer
