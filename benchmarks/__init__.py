"""Speed and memory as ratios beside a baseline measured in the same run, so that machines and days can be compared."""
