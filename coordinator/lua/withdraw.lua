-- Open matches that are not to count, wherever they are. Whoever plays one is told `stale` when it reports.
-- KEYS: meta ready open matches leases
-- ARGV: epoch, id*
-- Returns how many were open. Sent twice, it changes nothing more. STALEEPOCH.
local meta, ready, open, matches, leases = unpack(KEYS)
local stale = fence(meta, ARGV[1])
if stale then
  return stale
end

local withdrawn = 0
for i = 2, #ARGV do
  redis.call('LREM', ready, 1, ARGV[i])
  redis.call('HDEL', matches, ARGV[i])
  redis.call('ZREM', leases, ARGV[i])
  withdrawn = withdrawn + redis.call('HDEL', open, ARGV[i])
end
return withdrawn
