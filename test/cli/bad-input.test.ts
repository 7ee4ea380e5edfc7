/** Every row: a command line that cannot be done, what standard error must say, and that nothing else happens. */
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { gmemEval, scratchFolder, TINY, TOY } from './harness.ts';

const folder = scratchFolder();
const file = (name: string, text: string | Uint8Array = ''): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const tiny = file('tiny.csv', TINY);
mkdirSync(join(folder, 'a-folder'));
const profile = {
  name: 'mine',
  title: 'mine',
  inFlight: 4,
  faultLatencyNs: 0,
  link: {
    h2d: { copyOverheadNs: 0, bytesPerNs: null },
    d2h: { copyOverheadNs: 0, bytesPerNs: null },
    d2d: { copyOverheadNs: 0, bytesPerNs: null },
  },
  host: { bytesPerNs: null, zeroBytesPerNs: null, faultNs: 0, tlbShootdownNs: 0 },
  device: { memoryBytes: null, bytesPerNs: null, zeroBytesPerNs: null, tlbInvalidateNs: 0 },
  remoteBytesPerNs: null,
  topology: { coherent: false, ats: false, peer: 'none' },
  sources: {},
};
const json = (name: string, value: unknown): string => file(name, JSON.stringify(value));

const run = (...args: string[]): string[] => ['run', tiny, '-m', TOY, ...args];
const set = (text: string): string[] => run('--set', text);

const cases: [string, string[], RegExp][] = [
  ['no command', [], /Usage: gmem-eval/],
  ['an unknown command', ['rnu', tiny], /unknown command 'rnu'\n.*Did you mean run\?.*\n.*--help/],
  ['an unknown option', run('--formta', 'csv'), /unknown option '--formta'\n.*Did you mean --format\?/],
  ['no trace', ['run'], /missing required argument 'trace'/],
  ['two traces', ['run', tiny, tiny], /too many arguments/],
  ['an option without its value', ['run', tiny, '--oversub'], /argument missing/],
  ['a trace command that does not exist', ['trace', 'inof', tiny], /unknown command 'inof'\n.*Did you mean info\?/],
  ['a trace that does not exist', ['run', join(folder, 'no.csv'), '-m', TOY], /no\.csv: /],
  ['a folder as trace', ['run', join(folder, 'a-folder'), '-m', TOY], /a-folder: .*director/],
  ['an unknown trace format', run('--trace-format', 'cvs'), /unknown trace format "cvs": use csv/],
  ['a truncated gzip', ['run', file('cut.csv.gz', gzipSync(TINY).subarray(0, 40)), '-m', TOY], /cut\.csv\.gz: /],
  ['a wrong row', ['run', file('row.csv', `${TINY}400,gpu0,raed,0x200000,1,\n`), '-m', TOY], /row\.csv:7: .*"raed"/],
  ['a wrong row, checked', ['trace', 'check', file('r2.csv', `${TINY}1,gpu0,read,0x200000,1,\n`)], /r2\.csv:7: /],
  ['an unknown model', ['run', tiny, '-m', 'uvn'], /unknown model "uvn"\n.*known are /],
  ['an empty list of models', ['run', tiny, '-m', ''], /empty name in the list/],
  ['an empty name among models', ['run', tiny, '-m', `${TOY},,${TOY}:slow`], /empty name in the list/],
  ['a model twice', ['run', tiny, '-m', `${TOY},${TOY}:plain`], /toy:plain stands twice/],
  [
    'an unknown preset',
    ['run', tiny, '-m', `${TOY}:solw`],
    /has no preset "solw"\n.*did you mean "slow"\? known are plain, slow/,
  ],
  ['an empty preset', ['run', tiny, '-m', `${TOY}:`], /has no preset ""/],
  ['a model module that is not there', ['run', tiny, '-m', './no-model.js'], /no-model\.js: no such model module/],
  [
    'a model module that throws',
    ['run', tiny, '-m', file('throws.mjs', 'throw new Error("boom");')],
    /throws\.mjs: the module does not load: boom/,
  ],
  [
    'a model module with a syntax error',
    ['run', tiny, '-m', file('syntax.mjs', 'export {')],
    /syntax\.mjs: the module does not load/,
  ],
  [
    'a module without a model',
    ['run', tiny, '-m', file('empty.mjs', 'export const x = 1;')],
    /empty\.mjs: not a model: .*default export/,
  ],
  [
    'a model without create',
    ['run', tiny, '-m', file('half.mjs', 'export default { name: "half" };')],
    /half\.mjs: not a model: title is missing/,
  ],
  [
    'a model whose create throws',
    [
      'run',
      tiny,
      '-m',
      file(
        'bad-create.mjs',
        'export default { name: "bad", title: "", summary: [], sources: [], presets: { p: { title: "" } }, parameters: {}, create() { throw new Error("no hooks today"); } };',
      ),
    ],
    /bad-create\.mjs: create threw: no hooks today/,
  ],
  [
    'a model whose hook throws',
    [
      'run',
      tiny,
      '-m',
      file(
        'bad-hook.mjs',
        'export default { name: "bad", title: "", summary: [], sources: [], presets: { p: { title: "" } }, parameters: {}, create() { return { hostFault() { throw new TypeError("x is null"); } }; } };',
      ),
    ],
    /bad-hook\.mjs: hostFault threw: x is null/,
  ],
  ['a setting without a value', set('toy.serviceNs'), /--set toy\.serviceNs: not of the form MODEL\.PARAM=VALUE/],
  ['a setting without a model', set('serviceNs=1'), /not of the form MODEL\.PARAM=VALUE/],
  [
    'a setting of a model that does not run',
    set('tyo.serviceNs=1'),
    /no model "tyo" among those that run\n.*did you mean "toy"\?/,
  ],
  ['an unknown parameter', set('toy.servceNs=1'), /toy has no parameter "servceNs"\n.*did you mean "serviceNs"\?/],
  ['a parameter that every object has', set('toy.constructor=1'), /toy has no parameter "constructor"/],
  [
    'text for a whole number',
    set('toy.serviceNs=fast'),
    /"fast" is not a value .*\n.*a whole number of at least 0 and at most 1000000/,
  ],
  ['a fraction for a whole number', set('toy.serviceNs=1.5'), /"1\.5" is not a value/],
  ['a number below its range', set('toy.serviceNs=-1'), /out of range/],
  ['a number above its range', set('toy.share=1.01'), /out of range\n.*at most 1/],
  ['a number that is none', set('toy.share=NaN'), /"NaN" is not a value/],
  ['a yes for a switch', set('toy.wish=yes'), /"yes" is not a value .*\n.*true or false/],
  ['a choice that is not offered', set('toy.mode=of'), /"of" is not a value .*\n.*one of auto, on, off/],
  ['a broken size', set('toy.span=4KB'), /"4KB" is not a value .*\n.*a size/],
  ['a host page of no use', set('host.page=8192'), /"8192" is not a value .*\n.*4096, 65536, 2097152/],
  ['an unknown host setting', set('host.zeropage=true'), /host has no parameter "zeropage"\n.*"zeroPage"/],
  ['an unknown platform', run('--platform', 'pcie'), /unknown platform "pcie"\n.*did you mean "pcie4"\?/],
  ['a platform file that is not there', run('--platform', './no.json'), /no\.json: cannot read the platform/],
  ['a platform that is no JSON', run('--platform', file('p1.json', '{"name":')), /p1\.json: not JSON/],
  [
    'a platform without a field',
    run('--platform', json('p2.json', { ...profile, link: undefined })),
    /p2\.json: link: /,
  ],
  [
    'a platform with an unknown field',
    run('--platform', json('p3.json', { ...profile, speed: 1 })),
    /p3\.json: .*"speed"/,
  ],
  [
    'a platform of speed 0',
    run('--platform', json('p4.json', { ...profile, remoteBytesPerNs: 0 })),
    /p4\.json: remoteBytesPerNs: /,
  ],
  [
    'text as a duration',
    run('--platform', json('p5.json', { ...profile, faultLatencyNs: '10us' })),
    /p5\.json: faultLatencyNs: /,
  ],
  ['a platform to show that is unknown', ['platforms', 'gtx1080'], /unknown platform "gtx1080"\n.*"gtx1080ti"/],
  ['a model to show that is unknown', ['models', 'toy'], /unknown model "toy"/],
  ['ratio and size at once', run('--oversub', '2', '--device-memory', '1G'), /contradict each other/],
  ['a ratio of 0', run('--oversub', '0'), /--oversub 0: not a ratio/],
  ['a negative ratio', run('--oversub=-1'), /--oversub -1: not a ratio/],
  ['a ratio that is no number', run('--oversub', '1.25x'), /--oversub 1\.25x: not a ratio/],
  ['a list with a hole', run('--oversub', '1,,2'), /--oversub : not a ratio/],
  ['an infinite ratio', run('--oversub', 'Infinity'), /not a ratio/],
  ['a size with a wrong unit', run('--device-memory', '16GB'), /"16GB" is not a size\n.*powers of two/],
  ['a negative size', run('--device-memory=-4096'), /"-4096" is not a size/],
  ['a size of half a byte', run('--device-memory', '0.5'), /"0\.5" is not a size/],
  ['a size beyond exact numbers', run('--device-memory', '9000000T'), /is not a size/],
  ['less memory than a page', run('--device-memory', '1K'), /less than one page/],
  ['a device without its size', run('--device-memory', 'gpu0='), /"" is not a size/],
  ['a device twice', run('--device-memory', 'gpu0=1G/gpu0=2G'), /gpu0 stands twice/],
  ['sizes for no device', run('--device-memory', '1G/2G=x'), /"1G" is not DEVICE=SIZE/],
  [
    'a device that the trace lacks',
    run('--device-memory', 'gpu0=1G/gpu1=1G'),
    /no device "gpu1"\n.*did you mean "gpu0"\?/,
  ],
  ['a device left out', run('--device-memory', 'npu0=1G'), /no device "npu0"/],
  ['none in flight', run('--in-flight', '0'), /--in-flight 0: not a whole number of at least 1/],
  ['no jobs', run('--jobs', 'many'), /--jobs many: not a whole number/],
  ['an unknown report format', run('--format', 'tabel'), /--format tabel: no such format\n.*did you mean "table"\?/],
  ['an unknown list format', ['metrics', '--format', 'csv'], /--format csv: no such format here/],
  ['nowhere to write', run('--out', ''), /--out: empty/],
  ['a folder that is not there', run('--out', join(folder, 'no', 'r.txt')), /r\.txt: cannot write: ENOENT/],
  [
    'report and events in one file',
    run('--out', join(folder, 'x'), '--events', join(folder, 'x')),
    /name the same file/,
  ],
  ['events in a folder', run('--events', join(folder, 'a-folder')), /a-folder: cannot write: EISDIR/],
  ['a full disk', run('--out', '/dev/full'), /\/dev\/full: cannot write: ENOSPC/],
  ['events on a full disk', run('--events', '/dev/full'), /\/dev\/full: cannot write: ENOSPC/],
];

test.each(cases)('%s', async (_, args, message) => {
  const before = readdirSync(folder);
  const { status, stdout, stderr } = await gmemEval(args);
  expect(stderr).toMatch(message);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).not.toMatch(/\n {4}at /);
  expect(readdirSync(folder)).toEqual(before);
});

test('a folder that may not be written', async () => {
  if (process.getuid?.() === 0) return;
  const closed = join(folder, 'closed');
  mkdirSync(closed);
  chmodSync(closed, 0o500);
  const { status, stdout, stderr } = await gmemEval(run('--out', join(closed, 'r.txt')));
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/cannot write: EACCES/);
});

test('a broken trace leaves the old report as it was', async () => {
  const report = file('report.txt', 'yesterday');
  const before = readdirSync(folder);
  const { status } = await gmemEval(['run', file('row.csv', 'actor,op\nx'), '-m', TOY, '--out', report]);
  expect(status).toBe(2);
  expect(readdirSync(folder)).toEqual(before);
});

test('stack traces only with DEBUG', async () => {
  const args = ['run', tiny, '-m', join(folder, 'bad-hook.mjs')];
  expect((await gmemEval(args)).stderr).not.toMatch(/\n {4}at /);
  expect((await gmemEval(args, { DEBUG: '1' })).stderr).toMatch(/\n {4}at .*bad-hook\.mjs/);
});

test('control characters of a file name do not reach the terminal', async () => {
  const { stderr } = await gmemEval(['run', join(folder, 'no\u001b[31m\u202e.csv'), '-m', TOY]);
  expect(stderr).not.toContain('\u001b');
  expect(stderr).not.toContain('\u202e');
  expect(stderr).toContain('u001b');
});
