"""
What the server does with documents in one step, and where it keeps what.

Each document is a hash with its version, its JSON and, by the marks of indexes, what
it is found by. An index is a sorted set of ``value NUL key``, all of one score, which
Redis keeps in the order of their bytes; one of them has all keys. Which indexes a
collection has is a string, that every change and every question must know: whoever
knows an older one is told, and begins anew.

The first write of a script is the one that a full server refuses, so that nothing is
ever half done.
"""

from __future__ import annotations

from ._scripts import Script

NAMES = """
local document, indexes, index, key = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local function member(text)
  return text .. '\\0' .. key
end
local function marks()
  local found = {}
  for _, field in ipairs(redis.call('HKEYS', document)) do
    if field ~= 'version' and field ~= 'body' then
      found[field] = redis.call('HGET', document, field)
    end
  end
  return found
end
"""
HOLDS = """
local function holds(condition)
  local version = redis.call('HGET', document, 'version')
  if condition == '!' then
    return not version
  end
  return condition == '' or (version and condition == '=' .. version)
end
"""
CURRENT = """
local current = redis.call('GET', indexes) or ''
if current ~= ARGV[2] then
  return current
end
"""

PUT = Script.of(
    NAMES,
    HOLDS,
    CURRENT,
    """
if not holds(ARGV[3]) then
  return 0
end
local old, new = marks(), {}
redis.call('HSET', document, 'version', ARGV[4], 'body', ARGV[5])
redis.call('ZADD', index, 0, member(''))
for number = 6, #ARGV, 2 do
  new[ARGV[number]] = ARGV[number + 1]
end
for mark, text in pairs(old) do
  if new[mark] ~= text then
    redis.call('ZREM', index .. mark, member(text))
    redis.call('HDEL', document, mark)
  end
end
for mark, text in pairs(new) do
  if old[mark] ~= text then
    redis.call('ZADD', index .. mark, 0, member(text))
    redis.call('HSET', document, mark, text)
  end
end
return 1
""",
)
"""
key, indexes, condition, version, body, then mark and text of each index: returns
whether the condition held, or which indexes there are if these are others.
"""

DELETE = Script.of(
    NAMES,
    HOLDS,
    """
if not holds(ARGV[2]) then
  return -1
end
for mark, text in pairs(marks()) do
  redis.call('ZREM', index .. mark, member(text))
end
redis.call('ZREM', index, member(''))
return redis.call('DEL', document)
""",
)
"""key, condition: returns how many there were, or -1 if the condition did not hold."""

ADD = Script.of(
    NAMES,
    """
if redis.call('HGET', document, 'version') ~= ARGV[2] then
  return 0
end
for number = 3, #ARGV, 2 do
  local mark, text = ARGV[number], ARGV[number + 1]
  local old = redis.call('HGET', document, mark)
  redis.call('HSET', document, mark, text)
  redis.call('ZADD', index .. mark, 0, member(text))
  if old and old ~= text then
    redis.call('ZREM', index .. mark, member(old))
  end
end
return 1
""",
)
"""
key, version, then mark and text of each index that it may not yet be in. A document
that has another version was put by someone who knew of the index.
"""

CHANGE = Script.of(
    NAMES,
    CURRENT,
    """
redis.call('SET', indexes, ARGV[3])
return 1
""",
)
"""'', indexes, other indexes: returns which there are if they are not the first."""

FIND = Script.of(
    """
local documents, indexes, index = KEYS[1], KEYS[2], KEYS[3]
local descending, wanted, most = ARGV[1] == '1', tonumber(ARGV[3]), tonumber(ARGV[4])
""",
    CURRENT,
    """
local spans = {}
for number = 5, #ARGV, 3 do
  local mark, low, high = ARGV[number], ARGV[number + 1], ARGV[number + 2]
  local span = {mark = mark, index = index .. mark}
  span.low, span.high = '[' .. low, '(' .. high
  span.first = redis.call('ZLEXCOUNT', span.index, '-', '(' .. low)
  span.size = redis.call('ZLEXCOUNT', span.index, span.low, span.high)
  spans[#spans + 1] = span
end
local driver = spans[1]
for _, span in ipairs(spans) do
  if span.size < driver.size and span.size <= most then
    driver = span
  end
end
local is_ordered = driver == spans[1]
local others, fields = {}, {}
for _, span in ipairs(spans) do
  if span ~= driver then
    others[#others + 1], fields[#fields + 1] = span, span.mark
  end
end
local function rank_of(key)  -- in the first of the others, if it is within them all
  local held = #others > 0 and redis.call('HMGET', documents .. key, unpack(fields))
  local place = 0
  for number, span in ipairs(others) do
    local member = (held[number] or '') .. '\\0' .. key
    local rank = redis.call('ZRANK', span.index, member)
    if not rank or rank < span.first or rank >= span.first + span.size then
      return nil
    end
    place = number == 1 and rank or place
  end
  return place
end
local way, from, to = 'ZRANGEBYLEX', driver.low, driver.high
if descending then
  way, from, to = 'ZREVRANGEBYLEX', to, from
end
local members = redis.call(way, driver.index, from, to, 'LIMIT', 0, most)
local keys, ranks, last = {}, {}, ''
for number, member in ipairs(members) do
  local key = string.sub(member, string.find(member, '\\0', 1, true) + 1)
  ranks[key] = rank_of(key)
  keys[#keys + 1] = ranks[key] and key
  if is_ordered and (#keys == wanted or number == most) then
    last = member
    break
  end
end
if not is_ordered then
  table.sort(keys, function(one, other)
    if descending then
      return ranks[one] > ranks[other]
    end
    return ranks[one] < ranks[other]
  end)
end
local found = {}
for number = 1, math.min(wanted, #keys) do
  local held = redis.call('HMGET', documents .. keys[number], 'version', 'body')
  if held[1] then
    found[#found + 1] = {keys[number], held[2], held[1]}
  end
end
return {found, last}
""",
)
"""
1 if descending, indexes, how many documents, how many to look at, then mark, low and
high of each span, the first in the order of results: returns documents with their JSON
and version, and the last member that was looked at if there may be more.
"""
