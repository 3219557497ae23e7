-- Functions that several scripts use; the loader puts them before every script.
-- A script checks everything first and writes last: an error in its middle would keep the earlier writes.
-- Integers and strings only: matches, outcomes and players pass through as the text that they came as.

local MAX_FAILURES = 3

local function refuse(text)
  return redis.error_reply('REFUSED ' .. text)
end

-- The error to return when another coordinator has begun an epoch since; nil while `epoch` is the current one.
local function fence(meta, epoch)
  local current = redis.call('HGET', meta, 'epoch')
  if current ~= epoch then
    return redis.error_reply('STALEEPOCH this is epoch ' .. epoch .. ', the run is at ' .. tostring(current))
  end
end

-- {attempt, failures, owner, state, why} of an open match, or nil.
local function read_open(open, id)
  local text = redis.call('HGET', open, id)
  return text and cjson.decode(text)
end

-- Every lease that `wanted(entry)` picks out of `ids`, as {id, entry}, and an error if one has no open match.
local function collect(open, ids, wanted)
  local found = {}
  for _, id in ipairs(ids) do
    local entry = read_open(open, id)
    if not entry then
      return nil, refuse('match ' .. id .. ' is leased and not open')
    end
    if wanted(entry) then
      found[#found + 1] = { id = id, entry = entry }
    end
  end
  return found
end

-- leased -> ready with the next attempt's number, or -> parked after too many failures. Returns the new state.
local function end_attempt(open, ready, leases, id, entry, why)
  entry.attempt = entry.attempt + 1
  entry.owner = ''
  if why ~= '' then
    entry.failures = entry.failures + 1
    entry.why = why
  end
  entry.state = entry.failures < MAX_FAILURES and 'ready' or 'parked'
  redis.call('ZREM', leases, id)
  redis.call('HSET', open, id, cjson.encode(entry))
  if entry.state == 'ready' then
    redis.call('LPUSH', ready, id)
  end
  return entry.state
end

-- Appends an accepted outcome to the log. `done` tells a repeated report by it, as long as it is in the log.
local function append(meta, log, done, id, attempt, digest, match, outcome)
  local last = tonumber(redis.call('HGET', meta, 'last_seq'))
  redis.call('XADD', log, string.format('%d-0', last + 1), 'id', id, 'match', match, 'outcome', outcome)
  redis.call('HSET', meta, 'last_seq', last + 1)
  redis.call('HSET', done, id, attempt .. ':' .. digest)
end
