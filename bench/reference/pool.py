"""The same squares by Python's multiprocessing.Pool with two processes.

pool.py auto     1,000,000 in chunks of Pool.map's own choice
pool.py chunk1   100,000, one in a chunk
"""
import json
import sys
import time
from multiprocessing import Pool


def square(x):
    return x * x


def main(how):
    count, chunk = (1_000_000, None) if how == "auto" else (100_000, 1)
    with Pool(2) as pool:
        pool.map(square, range(100), 1)  # both processes are up
        begin = time.perf_counter()
        results = pool.map(square, range(count), chunk)
        wall = time.perf_counter() - begin
    if any(result != i * i for i, result in enumerate(results)) or len(results) != count:
        sys.exit("a wrong result")
    for metric, value, unit in (("wall", wall * 1e3, "ms"), ("per_task", wall * 1e6 / count, "us")):
        print(json.dumps({"bench": "B5", "system": "python_pool_" + how, "metric": metric,
                          "value": value, "unit": unit}, separators=(",", ":")))


if __name__ == "__main__":
    main(sys.argv[1])
