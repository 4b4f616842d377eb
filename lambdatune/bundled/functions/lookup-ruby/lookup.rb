# frozen_string_literal: true

# Looks things up elsewhere, in Ruby: I/O-bound. It waits as for a database, and computes next to nothing.

def handler(event:, context:)
  wait_ms = event["wait_ms"] || 20
  found = Array.new(event["lookups"] || 2) do |number|
    sleep(wait_ms / 1_000.0)
    { key: number, value: number * number }
  end
  { found: found }
end
