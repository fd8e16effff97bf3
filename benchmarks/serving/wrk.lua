-- Sends the bodies in a file in turn, from a given line on, and tells what was measured as JSON.

local requests, place = {}, 0

function init(arguments)
  local headers = { ["Content-Type"] = "application/json", ["Host"] = wrk.headers["Host"] }
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", wrk.path, headers, body)
  end
  place = tonumber(arguments[2]) % #requests
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'measured {"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
