"""Pure numbers: histograms, certificates and intervals made from invocation rows."""
