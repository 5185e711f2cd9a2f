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
  if redis.call('HSETNX', document, ARGV[number], ARGV[number + 1]) == 1 then
    redis.call('ZADD', index .. ARGV[number], 0, member(ARGV[number + 1]))
  end
end
return 1
""",
)
"""
key, version, then mark and text of each index that it is not yet in. A document that
has another version was put by someone who knew of the index.
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
local spans, fields = {}, {'version'}
for number = 5, #ARGV, 3 do
  local span = {mark = ARGV[number], low = ARGV[number + 1], high = ARGV[number + 2]}
  span.index = index .. span.mark
  span.first, span.stop = '[' .. span.low, '(' .. span.high
  spans[#spans + 1], fields[#fields + 1] = span, span.mark
end
local function below(one, other)  -- '<' goes by the locale
  for place = 1, math.min(#one, #other) do
    local byte, another = string.byte(one, place), string.byte(other, place)
    if byte ~= another then
      return byte < another
    end
  end
  return #one < #other
end
local function key_of(member)
  return string.sub(member, string.find(member, '\\0', 1, true) + 1)
end
local function place_of(key)
  local held = redis.call('HMGET', documents .. key, unpack(fields))
  for number, span in ipairs(spans) do
    local member = (held[number + 1] or '') .. '\\0' .. key
    if not held[1] or below(member, span.low) or not below(member, span.high) then
      return nil
    end
  end
  return (held[2] or '') .. '\\0' .. key
end
local function walk(span)
  local way, from, to = 'ZRANGEBYLEX', span.first, span.stop
  if descending then
    way, from, to = 'ZREVRANGEBYLEX', to, from
  end
  local members = redis.call(way, span.index, from, to, 'LIMIT', 0, most)
  local keys = {}
  for number, member in ipairs(members) do
    local key = key_of(member)
    if place_of(key) == member then
      keys[#keys + 1] = key
    end
    if #keys == wanted or number == most then
      return keys, member
    end
  end
  return keys, ''
end
local function gather(span)
  local ranks, keys = {}, {}
  local members = redis.call('ZRANGEBYLEX', span.index, span.first, span.stop)
  for _, member in ipairs(members) do
    local key = key_of(member)
    local place = place_of(key)
    local rank = place and redis.call('ZRANK', spans[1].index, place)
    if rank then
      ranks[#ranks + 1], keys[rank] = rank, key
    end
  end
  table.sort(ranks, function(one, other)
    if descending then
      return one > other
    end
    return one < other
  end)
  local found = {}
  for number = 1, math.min(wanted, #ranks) do
    found[number] = keys[ranks[number]]
  end
  return found, ''
end
local function count(span)
  return redis.call('ZLEXCOUNT', span.index, span.first, span.stop)
end
local narrow, least = spans[1], count(spans[1])
for number = 2, #spans do
  local size = count(spans[number])
  if size < least then
    narrow, least = spans[number], size
  end
end
local keys, last
if narrow == spans[1] or least > most then
  keys, last = walk(spans[1])
else
  keys, last = gather(narrow)
end
local found = {}
for number, key in ipairs(keys) do
  local held = redis.call('HMGET', documents .. key, 'version', 'body')
  found[number] = {key, held[2], held[1]}
end
return {found, last}
""",
)
"""
1 if descending, indexes, how many documents, how many to look at, then mark, low and
high of each span, the first in the order of results: returns documents with their JSON
and version, and the last member that was looked at if there may be more.
"""
