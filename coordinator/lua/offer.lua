-- Puts new matches at the end of the ready list.
-- KEYS: meta ready open matches done
-- ARGV: epoch, (id, match)*
-- Returns OK; a match that was offered before is left as it is. STALEEPOCH; REFUSED when ids go backwards.
local meta, ready, open, matches, done = unpack(KEYS)
local stale = fence(meta, ARGV[1])
if stale then
  return stale
end
local next_match = tonumber(redis.call('HGET', meta, 'next_match'))
local fresh = {}
for i = 2, #ARGV, 2 do
  local id = tonumber(ARGV[i])
  if id >= next_match then
    fresh[#fresh + 1] = i
    next_match = id + 1
  elseif redis.call('HEXISTS', open, ARGV[i]) == 0 and redis.call('HEXISTS', done, ARGV[i]) == 0 then
    return refuse('match ' .. ARGV[i] .. ' is not new: the next one is ' .. next_match)
  end
end

local entry = cjson.encode({ attempt = 1, failures = 0, owner = '', state = 'ready', why = '' })
for _, i in ipairs(fresh) do
  redis.call('HSET', matches, ARGV[i], ARGV[i + 1])
  redis.call('HSET', open, ARGV[i], entry)
  redis.call('RPUSH', ready, ARGV[i])
end
redis.call('HSET', meta, 'next_match', next_match)
return redis.status_reply('OK')
