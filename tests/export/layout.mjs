// Reads exported objects through the names of their folders, as DuckDB does it.
//
//   node layout.mjs FOLDER OPTIONS
//
// Prints the ids and the sites that the folders name, as JSON. OPTIONS are read_json()'s.

import { DuckDBInstance } from '@duckdb/node-api'

const [folder, options] = process.argv.slice(2)
const db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
const read = await db.runAndReadAll(`SELECT id::INT AS id, site_id::VARCHAR AS site
  FROM read_json('${folder}/site_id=*/**/*.ndjson.gz', hive_partitioning = true, ${options})
  ORDER BY id`)
console.log(JSON.stringify(read.getRowObjectsJS()))
