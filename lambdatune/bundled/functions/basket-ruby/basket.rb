# frozen_string_literal: true

# The price of a basket, in Ruby: the same job as the other `basket` samples.

TAX_PERCENT = [7, 7, 19].freeze
KINDS = %w[books food toys].freeze
CENTS = Array.new(4_000) { |number| 100 + number * 7919 % 9973 }.freeze

def handler(event:, context:)
  items = event["items"] || 50_000
  total_cents = checksum = 0
  by_kind = [0, 0, 0]
  items.times do |line|
    number = line * 613 % 4_000
    kind = number % 3
    gross_cents = CENTS[number] * (1 + line % 3) * (100 + TAX_PERCENT[kind]) / 100
    total_cents += gross_cents
    by_kind[kind] += gross_cents
    checksum = (checksum * 31 + gross_cents) % 1_000_003
  end
  { items: items, total_cents: total_cents, by_kind: KINDS.zip(by_kind).to_h, checksum: checksum }
end
