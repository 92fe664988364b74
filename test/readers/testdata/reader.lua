-- As tokenizer.c, with rspamd's parser of results, which it uses where results were
-- sealed by ARC: it divides a value at each semicolon and knows no authserv-id.
local results = require "lua_auth_results"
local util = require "lua_util"

local function hex(s)
  return (s:gsub('.', function(c) return string.format('%02x', c:byte()) end))
end

for line in io.lines() do
  local value = line:gsub('%x%x', function(h) return string.char(tonumber(h, 16)) end)
  local said = {''}
  for _, element in ipairs(util.rspamd_str_split(value, ';')) do
    local trimmed = util.rspamd_str_trim(element)
    local found = #trimmed > 0 and results.parse_ar_element(trimmed)
    if found and found.dkim then
      local words = {hex('dkim'), hex(found.dkim:lower())}
      for name, text in pairs(found) do
        if name ~= 'dkim' then
          words[#words + 1] = hex(name:lower())
          words[#words + 1] = hex(text)
        end
      end
      said[#said + 1] = table.concat(words, '/')
    end
  end
  io.write(table.concat(said, ' '), '\n')
  io.flush()
end
