-- Results that are safe in the archive leave the log, with what repeated reports of them are known by.
-- KEYS: meta log done
-- ARGV: epoch, number of the last result to leave
-- Returns the number of the last result that has left. Sent twice, it changes nothing more.
--         STALEEPOCH; REFUSED when the newest result would leave.
local meta, log, done = unpack(KEYS)
local epoch, upto = unpack(ARGV)
local stale = fence(meta, epoch)
if stale then
  return stale
end
local last = tonumber(redis.call('HGET', meta, 'last_seq'))
if tonumber(upto) >= last then
  return refuse('result ' .. upto .. ' cannot leave the log, which ends at ' .. last .. ' and keeps its newest')
end

local stamp = upto .. '-0'
for _, entry in ipairs(redis.call('XRANGE', log, '-', stamp)) do
  redis.call('HDEL', done, entry[2][2])
end
redis.call('XTRIM', log, 'MINID', string.format('%d-0', tonumber(upto) + 1))
local archived = math.max(tonumber(upto), tonumber(redis.call('HGET', meta, 'archived') or 0))
redis.call('HSET', meta, 'archived', archived)
return archived
