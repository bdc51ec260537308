// Reads Parquet files with two readers that know nothing of each other.
//
//   node read.mjs FILE...
//
// FILE.hyparquet and FILE.duckdb get the rows in the form of the reference (see
// encode.c), FILE.json what both say about types, row groups and statistics.

import { readFileSync, writeFileSync } from 'node:fs'
import { DuckDBInstance } from '@duckdb/node-api'
import { parquetMetadata, parquetReadObjects, parquetSchema } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

const hex = bytes => bytes && Buffer.from(bytes).toString('hex')
const parsers = {
  timestampFromMicroseconds: micros => micros,
  stringFromBytes: hex,
  jsonFromBytes: hex
}
const times = ['created_at', 'received_at', 'event_time']
const texts = ['site_id', 'event_type', 'session_id', 'visitor_id', 'client_ip', 'user_agent',
  'payload']

function line (row) {
  const numbers = ['id', ...times].map(name => row[name])
  const values = texts.map(name => row[name] == null ? '-' : '=' + row[name])
  return [...numbers, ...values].join('\t') + '\n'
}

async function hyparquet (path) {
  const bytes = readFileSync(path)
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  const rows = await parquetReadObjects({ file, compressors, parsers })
  writeFileSync(path + '.hyparquet', rows.map(line).join(''))
  const metadata = parquetMetadata(file, { parsers })
  return {
    created_by: metadata.created_by,
    rows: metadata.num_rows,
    columns: parquetSchema(metadata).children.map(({ element }) => element),
    groups: metadata.row_groups.map(group => ({
      rows: group.num_rows,
      columns: group.columns.map(({ meta_data: m }) => ({
        name: m.path_in_schema.join('.'),
        encodings: m.encodings,
        codec: m.codec,
        values: m.num_values,
        statistics: m.statistics,
        pages: m.encoding_stats
      }))
    }))
  }
}

async function duckdb (db, path) {
  const from = `read_parquet('${path}')`
  const text = name => `CASE WHEN ${name} IS NULL THEN '-' ELSE '=' || lower(hex(${name}::VARCHAR)) END`
  const columns = ['id', ...times.map(name => `epoch_us(${name})`), ...texts.map(text)]
  await db.run(`COPY (SELECT ${columns.join(', ')} FROM ${from})
    TO '${path}.duckdb' (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '', ESCAPE '')`)
  const rows = async sql => (await db.runAndReadAll(sql)).getRowObjectsJS()
  const types = await rows(`DESCRIBE SELECT * FROM ${from}`)
  // The readers' pruning by statistics must not lose a row.
  const found = await rows(`
    SELECT count(*) AS n FROM (SELECT DISTINCT id, session_id FROM ${from} ORDER BY hash(id) LIMIT 1) k
    JOIN ${from} r ON r.id = k.id AND r.session_id IS NOT DISTINCT FROM k.session_id`)
  return {
    types: Object.fromEntries(types.map(t => [t.column_name, t.column_type])),
    found: found[0].n
  }
}

const db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
await db.run("SET TimeZone = 'UTC'")
for (const path of process.argv.slice(2)) {
  const result = { hyparquet: await hyparquet(path), duckdb: await duckdb(db, path) }
  writeFileSync(path + '.json', JSON.stringify(result,
    (_, value) => typeof value === 'bigint' ? value.toString() : value))
}
