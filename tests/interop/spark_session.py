# SPDX-License-Identifier: Apache-2.0
"""A Spark session that takes requests from standard input, one JSON document a line, and answers each with one.

usage: spark_session.py FOLDER JAR…      (with the Python that has pyspark)

    {"conf": {"spark.sql.catalog.c": …}}   settings of a catalog that was not used yet
    {"sql": "SELECT …"}                    -> {"rows": [[…], …]}
    {"close": "c"}                         closes the catalog's connections; its next use opens it again
An error is {"error": text}.
"""
import datetime
import decimal
import json
import sys

from pyspark.sql import SparkSession


def plain(value):
    if isinstance(value, (datetime.date, datetime.datetime, decimal.Decimal)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    return value


def main():
    folder, jars = sys.argv[1], sys.argv[2:]
    session = (
        SparkSession.builder.master("local[2]")
        .appName("interop")
        .config("spark.driver.extraClassPath", ":".join(jars))
        .config("spark.driver.memory", "1g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.local.dir", folder)
        .config("spark.sql.warehouse.dir", folder + "/spark-warehouse")
        .config("spark.driver.extraJavaOptions", f"-Dderby.system.home={folder}")
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    for line in sys.stdin:
        try:
            request = json.loads(line)
            answer = {"rows": []}
            for key, value in request.get("conf", {}).items():
                session.conf.set(key, value)
            if "sql" in request:
                answer["rows"] = [[plain(v) for v in row] for row in session.sql(request["sql"]).collect()]
            if "close" in request:
                manager = session._jsparkSession.sessionState().catalogManager()
                manager.catalog(request["close"]).icebergCatalog().close()
                manager.reset()
        except Exception as e:
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), flush=True)
    session.stop()


main()
