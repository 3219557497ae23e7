-- Everything that one decision of the coordinator changes, or nothing of it.
-- KEYS: meta players snapshots checkpoints fold status log done
-- ARGV: epoch, state or '', status or '', fold or '',
--       number of players, of snapshots, of checkpoints, of results, then
--       (name, player)*, (name, snapshot)*, (player, checkpoint)*, (id, attempt, digest, match, outcome)*
-- Returns the last sequence number of the log. Sent twice, it changes nothing more.
--         STALEEPOCH; REFUSED when a snapshot would be overwritten or a result was recorded otherwise.
local meta, players, snapshots, checkpoints, fold, status, log, done = unpack(KEYS)
local epoch, state, new_status, new_fold = unpack(ARGV, 1, 4)
local stale = fence(meta, epoch)
if stale then
  return stale
end
local at = 9

local function take(count, width)
  local rows = {}
  for i = 1, tonumber(count) do
    rows[i] = { unpack(ARGV, at, at + width - 1) }
    at = at + width
  end
  return rows
end

local new_players = take(ARGV[5], 2)
local new_snapshots = take(ARGV[6], 2)
local new_checkpoints = take(ARGV[7], 2)
local results = take(ARGV[8], 5)
if at ~= #ARGV + 1 then
  return refuse('a commit of ' .. #ARGV .. ' arguments where its counts say ' .. at - 1)
end

for _, row in ipairs(new_snapshots) do
  local there = redis.call('HGET', snapshots, row[1])
  if there and there ~= row[2] then
    return refuse('snapshot ' .. row[1] .. ' is there already with other contents')
  end
end
-- results come in the order in which matches ended, not in which they were made
local first_new = tonumber(redis.call('HGET', meta, 'next_match'))
local next_match = first_new
local fresh, seen = {}, {}
for _, row in ipairs(results) do
  local id = tonumber(row[1])
  local accepted = redis.call('HGET', done, row[1])
  if id >= first_new and not seen[id] then
    fresh[#fresh + 1] = row
    seen[id] = true
    next_match = math.max(next_match, id + 1)
  elseif accepted ~= row[2] .. ':' .. row[3] then
    return refuse('the result of match ' .. row[1] .. ' is not of a new match: the next one is ' .. first_new)
  end
end

for _, row in ipairs(new_players) do
  redis.call('HSET', players, row[1], row[2])
end
for _, row in ipairs(new_snapshots) do
  redis.call('HSET', snapshots, row[1], row[2])
end
for _, row in ipairs(new_checkpoints) do
  redis.call('HSET', checkpoints, row[1], row[2])
end
for _, row in ipairs(fresh) do
  append(meta, log, done, unpack(row))
end
redis.call('HSET', meta, 'next_match', next_match)
if state ~= '' then
  redis.call('HSET', meta, 'state', state)
end
if new_status ~= '' then
  redis.call('SET', status, new_status)
end
if new_fold ~= '' then
  redis.call('SET', fold, new_fold)
end
return tonumber(redis.call('HGET', meta, 'last_seq'))
