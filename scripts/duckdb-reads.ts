/**
 * DuckDB's own reader of Arrow takes a compiled trace for what it is: `npx tsx scripts/duckdb-reads.ts`. The package is
 * too large to be one of ours (146 MB), so it is installed into a temporary folder; where that cannot be done, the check
 * is skipped and says so.
 */
import { deepStrictEqual } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compiledFile } from '../src/trace/arrow/write.ts';
import { compileTraceText } from '../src/trace/index.ts';

const PACKAGE = '@duckdb/duckdb-wasm@1.32.0';

interface Row {
  toJSON(): Record<string, unknown>;
}
interface Connection {
  insertArrowFromIPCStream(bytes: Uint8Array, options: { name: string; create: boolean }): void;
  query(sql: string): { toArray(): Row[] };
  close(): void;
}

async function connect(folder: string): Promise<Connection> {
  const require = createRequire(join(folder, 'package.json'));
  const entry = require.resolve('@duckdb/duckdb-wasm/blocking');
  const { createDuckDB, NODE_RUNTIME, VoidLogger } = await import(pathToFileURL(entry).href);
  const wasm = dirname(require.resolve('@duckdb/duckdb-wasm/dist/duckdb-eh.wasm'));
  const bundle = (name: string) => ({ mainModule: join(wasm, `duckdb-${name}.wasm`), mainWorker: '' });
  const database = await createDuckDB({ mvp: bundle('mvp'), eh: bundle('eh') }, new VoidLogger(), NODE_RUNTIME);
  await database.instantiate();
  return database.connect();
}

/** 10,000 accesses by gpu0, each tenth a write of 4 pages: 1,000 x 4 + 9,000 = 13,000 pages. */
async function sample(): Promise<Buffer> {
  const rows = Array.from(
    { length: 10_000 },
    (_, i) => `${i},gpu0,${i % 10 === 0 ? 'write,0,16384' : 'read,4096,64'},`,
  );
  const text = `time_ns,actor,op,addr,size,arg\n0,cpu,alloc,0,65536,a\n${rows.join('\n')}\n`;
  return Buffer.concat(Array.from(compiledFile(await compileTraceText(text)), (piece) => Buffer.from(piece)));
}

function check(connection: Connection, file: Buffer): void {
  // The stream begins after the magic of the file.
  connection.insertArrowFromIPCStream(file.subarray(8), { name: 'trace', create: true });
  const ask = (sql: string): Record<string, unknown>[] =>
    connection
      .query(sql)
      .toArray()
      .map((row) => row.toJSON());
  const sums = 'count(*)::int n, sum(pages)::int pages, sum(bytes)::int bytes, max(time_ns) t';
  deepStrictEqual(ask(`select op::int op, actor::int actor, ${sums} from trace group by all order by all`), [
    { op: 0, actor: 1, n: 9000, pages: 9000, bytes: 576_000, t: 9999 },
    { op: 1, actor: 1, n: 1000, pages: 4000, bytes: 16_384_000, t: 9990 },
    { op: 3, actor: 0, n: 1, pages: 0, bytes: 0, t: 0 },
  ]);
  const columns = ask('describe trace').map(({ column_name, column_type }) => `${column_name} ${column_type}`);
  deepStrictEqual(columns, [
    'record UINTEGER',
    'time_ns DOUBLE',
    'actor UTINYINT',
    'op UTINYINT',
    'page INTEGER',
    'pages USMALLINT',
    'offset USMALLINT',
    'bytes UINTEGER',
    'code UTINYINT',
  ]);
}

const folder = mkdtempSync(join(tmpdir(), 'gmem-eval-duckdb-'));
try {
  let installed = true;
  try {
    const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'];
    execFileSync('npm', ['install', ...options, '--prefix', folder, PACKAGE], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  } catch {
    installed = false;
    console.log(`SKIPPED: ${PACKAGE} could not be installed: whether DuckDB reads a compiled trace was not checked`);
  }
  if (installed) {
    const connection = await connect(folder);
    check(connection, await sample());
    connection.close();
    console.log('DuckDB reads a compiled trace');
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
