// Reads exported objects through the names of their folders, as DuckDB does it.
//
//   node layout.mjs FORMAT FOLDER OPTIONS
//
// Prints the ids and the sites that the folders name, as JSON. FORMAT is json, csv or
// parquet, OPTIONS are those of DuckDB's function that reads it.

import { DuckDBInstance } from '@duckdb/node-api'

const [format, folder, options] = process.argv.slice(2)
const db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
const read = await db.runAndReadAll(`SELECT id::INT AS id, site_id::VARCHAR AS site
  FROM read_${format}('${folder}/site_id=*/**/*-*.*', hive_partitioning = true, ${options})
  ORDER BY id`)
console.log(JSON.stringify(read.getRowObjectsJS()))
