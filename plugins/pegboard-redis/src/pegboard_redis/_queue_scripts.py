"""
What the server does with a queue in one step, and where it keeps what.

All keys begin with the base, KEYS[1]. ``message`` has the text of each message by id;
``state`` its generation, deliveries, whether somebody has it, and when it was put in.
``due`` has the ids by the time at which they may be delivered, or come again. What
one has is in ``flying``, too. Of a group, whose ids are in ``group:NAME`` in order,
only the first is in ``due``; the others are ``behind``. ``dead`` has dead letters in
their order. ``bell`` is a stream of one entry, which is replaced whenever there may
be something to receive.
"""

from __future__ import annotations

from ._scripts import Script

NONE = ""
"""Instead of the number of deliveries after which a message dies; or of a group."""

QUEUE = """
local base = KEYS[1]
local message, state, group_of = base..'message', base..'state', base..'group'
local due, behind, flying = base..'due', base..'behind', base..'flying'
local dead, bell = base..'dead', base..'bell'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number)
  return string.format('%.0f', number)
end
local function ring()
  redis.call('XADD', bell, 'MAXLEN', 1, '*', '', '')
end
local function read(id)
  local text = redis.call('HGET', state, id)
  if not text then
    return nil
  end
  local g, n, t, p = string.match(text, '(%d+) (%d+) (%d) (%d+)')
  return {generation = g, deliveries = tonumber(n), taken = t == '1', published = p}
end
local function write(id, s)
  local taken = s.taken and '1' or '0'
  local text = s.generation..' '..whole(s.deliveries)..' '..taken..' '..s.published
  redis.call('HSET', state, id, text)
end
local function had(id, generation, deliveries)
  local s = read(id)
  if s and s.taken and s.generation == generation
    and s.deliveries == tonumber(deliveries) then
    return s
  end
  return nil
end
local function enter(id, group, ends)
  if group ~= '' then
    redis.call('HSET', group_of, id, group)
    if redis.call('RPUSH', base..'group:'..group, id) > 1 then
      redis.call('ZADD', behind, whole(ends), id)
      return
    end
  end
  redis.call('ZADD', due, whole(ends), id)
end
local function leave(id)
  redis.call('ZREM', due, id)
  redis.call('ZREM', flying, id)
  local group = redis.call('HGET', group_of, id)
  if group then
    redis.call('HDEL', group_of, id)
    redis.call('LREM', base..'group:'..group, 1, id)
    local following = redis.call('LINDEX', base..'group:'..group, 0)
    if following then
      local ends = redis.call('ZSCORE', behind, following)
      if ends then
        redis.call('ZREM', behind, following)
        redis.call('ZADD', due, ends, following)
        ring()
      end
    end
  end
end
local function bury(id, s)
  s.taken = false
  write(id, s)
  redis.call('ZADD', dead, redis.call('INCR', base..'last'), id)
  leave(id)
end
local function is_spent(s, most)
  return most ~= '' and s.deliveries >= tonumber(most)
end
local function bury_lapsed(most)
  if most == '' then
    return
  end
  local lapsed = redis.call(
    'ZRANGEBYSCORE', flying, '-inf', whole(now), 'LIMIT', 0, 1000)
  for _, id in ipairs(lapsed) do
    local s = read(id)
    if s and is_spent(s, most) then
      bury(id, s)
    end
  end
end
"""

PUBLISH = Script.of(
    QUEUE,
    """
local ids = {}
for i = 2, #ARGV, 3 do
  local number = redis.call('INCR', base..'last')
  local id = string.format('%016.0f-%s', number, ARGV[1])
  redis.call('HSET', message, id, ARGV[i])
  write(id, {
    generation = whole(number), deliveries = 0, taken = false, published = whole(now)})
  enter(id, ARGV[i + 2], now + ARGV[i + 1])
  ids[#ids + 1] = id
end
ring()
return ids
""",
)
"""A suffix, then text, delay and group of each message: returns their ids."""

RECEIVE = Script.of(
    QUEUE,
    """
local limit, hidden, most = tonumber(ARGV[1]), ARGV[2], ARGV[3]
bury_lapsed(most)
local found = {}
local ready = redis.call(
  'ZRANGEBYSCORE', due, '-inf', whole(now), 'LIMIT', 0, limit)
for _, id in ipairs(ready) do
  local s, text = read(id), redis.call('HGET', message, id)
  if s and text then
    s.deliveries, s.taken = s.deliveries + 1, true
    write(id, s)
    local ends = whole(now + hidden)
    redis.call('ZADD', due, ends, id)
    redis.call('ZADD', flying, ends, id)
    found[#found + 1] = {id, text, s.generation, whole(s.deliveries), s.published}
  else
    leave(id)
  end
end
if #found > 0 then
  return {found, '', ''}
end
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
local rung = redis.call('XREVRANGE', bell, '+', '-', 'COUNT', 1)
return {
  found, first[2] and whole(first[2] - now) or '', rung[1] and rung[1][1] or '0-0'}
""",
)
"""
Limit, visibility, most deliveries: returns messages; without any, the milliseconds
until the next one, and the last entry of the bell.
"""

ACK = Script.of(
    QUEUE,
    """
local id = ARGV[1]
if not had(id, ARGV[2], ARGV[3]) then
  return 0
end
redis.call('HDEL', message, id)
redis.call('HDEL', state, id)
leave(id)
return 1
""",
)
"""Id, generation, deliveries: returns whether it was there."""

NACK = Script.of(
    QUEUE,
    """
local id = ARGV[1]
local s = had(id, ARGV[2], ARGV[3])
if not s then
  return 0
end
if is_spent(s, ARGV[5]) then
  bury(id, s)
  return 1
end
s.taken = false
write(id, s)
redis.call('ZADD', due, whole(now + ARGV[4]), id)
redis.call('ZREM', flying, id)
ring()
return 1
""",
)
"""Id, generation, deliveries, delay, most deliveries: returns whether it was there."""

EXTEND = Script.of(
    QUEUE,
    """
local id = ARGV[1]
if not had(id, ARGV[2], ARGV[3]) then
  return 0
end
local ends = whole(now + ARGV[4])
redis.call('ZADD', due, ends, id)
redis.call('ZADD', flying, ends, id)
return 1
""",
)
"""Id, generation, deliveries, visibility: returns whether it was there."""

COUNT = Script.of(
    QUEUE,
    """
bury_lapsed(ARGV[1])
local past, later = whole(now), '('..whole(now)
local function count(key, low, high)
  return redis.call('ZCOUNT', key, low, high)
end
local has = count(flying, later, '+inf')
local ready = count(due, '-inf', past) + count(behind, '-inf', past)
local delayed = count(due, later, '+inf') + count(behind, later, '+inf') - has
return {ready, delayed, has}
""",
)
"""Most deliveries: returns how many are ready, are delayed, are in flight."""

LETTERS = Script.of(
    QUEUE,
    """
bury_lapsed(ARGV[3])
local places = redis.call(
  'ZRANGEBYSCORE', dead, '('..ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local found = {}
for i = 1, #places, 2 do
  local id = places[i]
  local s = read(id)
  local text = redis.call('HGET', message, id)
  found[#found + 1] = {id, text, whole(s.deliveries), s.published, places[i + 1]}
end
return found
""",
)
"""After which place, limit, most deliveries: returns dead letters and their places."""

REDRIVE = Script.of(
    QUEUE,
    """
local moved = 0
for i = 1, #ARGV, 2 do
  local id = ARGV[i]
  if redis.call('ZREM', dead, id) == 1 then
    local s = read(id)
    s.generation, s.deliveries = whole(redis.call('INCR', base..'last')), 0
    write(id, s)
    enter(id, ARGV[i + 1], now)
    moved = moved + 1
  end
end
ring()
return moved
""",
)
"""Id and group of each: returns how many were dead."""

DISCARD = Script.of(
    QUEUE,
    """
local gone = 0
for _, id in ipairs(ARGV) do
  if redis.call('ZREM', dead, id) == 1 then
    redis.call('HDEL', message, id)
    redis.call('HDEL', state, id)
    gone = gone + 1
  end
end
return gone
""",
)
"""Ids: returns how many were dead."""
