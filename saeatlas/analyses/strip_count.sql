(feature.n + strip.{n} - (feature.bits <~> strip.{bits})::integer) / 2
