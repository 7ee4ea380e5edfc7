import { describe, expect, it } from 'vitest';
import { compileTraceText, TraceError } from '../../src/trace/index.ts';

const HEAD = 'time_ns,actor,op,addr,size,thread,arg\n';
const COLUMNS = 'the columns are time_ns, actor, op, addr, size, thread, arg';
const OPS = 'read, write, atomic, alloc, free, prefetch, advise, copy, launch, sync, invalidate';
const ALLOC = '0,cpu,alloc,0x10000,65536,,a\n';
const TWO_57 = '144115188075855872';

/** Name, text after the header (or the whole text when it has its own), line, message. */
const ROWS: readonly [name: string, text: string, line: number | null, message: string][] = [
  ['missing column', '!actor,op,addr\n', 1, `the header row lacks the column size; ${COLUMNS}`],
  ['missing columns', '!time_ns,op\n', 1, `the header row lacks the columns actor, addr, size; ${COLUMNS}`],
  ['repeated column', '!actor,op,addr,size,op\n', 1, `the column "op" is there twice; ${COLUMNS}`],
  ['unknown column', '!actor,op,addr,size,device\n', 1, `unknown column "device"; ${COLUMNS}`],
  ['unknown column with escapes', '!actor,op,addr,size,\u001b[2J\n', 1, `unknown column "\\u001b[2J"; ${COLUMNS}`],
  ['header after comments', '!# a\n# b\n\nactor,op,addr\n', 4, `the header row lacks the column size; ${COLUMNS}`],
  ['no header', '!', 1, 'the file has no header row: a trace begins with time_ns,actor,op,addr,size'],
  ['only comments', '!# a: b\n# c\n', 1, 'the file has no header row: a trace begins with time_ns,actor,op,addr,size'],
  ['CR alone', '!actor,op,addr,size\rcpu,r,0,1\r', 1, `lines end in CR alone; convert them to LF`],
  ['missing actor', '0,,read,0,1,,\n', 2, 'actor is missing'],
  ['missing op', '0,cpu,,0,1,,\n', 2, 'op is missing'],
  ['missing addr', '0,cpu,read,,1,,\n', 2, 'addr is missing'],
  ['missing size', '0,cpu,read,0, ,,\n', 2, 'size is missing'],
  ['missing time', ',cpu,read,0,1,,\n', 2, 'time_ns is missing; give every record a time, or leave the column out'],
  [
    'too few values',
    '0,cpu,read,0,1\n',
    2,
    'the row has 5 values, the header 7; give each column a value, or leave it empty',
  ],
  [
    'too many values',
    '0,cpu,read,0,1,,,\n',
    2,
    'the row has 8 values, the header 7; give each column a value, or leave it empty',
  ],
  ['bad address', '0,cpu,read,0xfg,1,,\n', 2, 'addr "0xfg" is not a number: use decimal or 0x hex'],
  ['hex without 0x', '0,cpu,read,7f00,1,,\n', 2, 'addr "7f00" is not a number: use decimal or 0x hex'],
  ['bare 0x', '0,cpu,read,0x,1,,\n', 2, 'addr "0x" is not a number: use decimal or 0x hex'],
  ['negative address', '0,cpu,read,-4096,1,,\n', 2, 'addr "-4096" is not a number: use decimal or 0x hex'],
  ['fraction', '0,cpu,read,0,1.5,,\n', 2, 'size "1.5" is not a number: use decimal or 0x hex'],
  ['exponent', '0,cpu,read,0,1e3,,\n', 2, 'size "1e3" is not a number: use decimal or 0x hex'],
  ['size with a unit', '0,cpu,read,0,4KiB,,\n', 2, 'size "4KiB" is not a number: use decimal or 0x hex'],
  ['size 0', '0,cpu,read,0,0,,\n', 2, 'size is 0; it is at least 1 byte'],
  ['negative size', '0,cpu,read,0,-1,,\n', 2, 'size "-1" is not a number: use decimal or 0x hex'],
  [
    'address 2^57',
    `0,cpu,read,${TWO_57},1,,\n`,
    2,
    `addr "${TWO_57}" leaves the address space: addresses lie below 2^57`,
  ],
  [
    'address 2^57 + 1',
    '0,cpu,read,0x200000000000001,1,,\n',
    2,
    'addr "0x200000000000001" is out of range: addresses lie below 2^57',
  ],
  [
    'address of 30 digits',
    `0,cpu,read,${'9'.repeat(30)},1,,\n`,
    2,
    `addr "${'9'.repeat(30)}" is out of range: addresses lie below 2^57`,
  ],
  [
    'end above 2^57',
    '0,cpu,read,0x1ffffffffffffff,2,,\n',
    2,
    'addr "0x1ffffffffffffff" + size "2" leaves the address space: addresses lie below 2^57',
  ],
  [
    'enormous access',
    '0,cpu,read,0,0x100000000000,,\n',
    2,
    'an access of 17592186044416 bytes is too large: at most 8 TiB',
  ],
  [
    'time backwards',
    '5,cpu,read,0,1,,\n# x\n4,cpu,read,0,1,,\n',
    4,
    'time_ns runs backwards: 4, but line 2 has 5; sort the records by time',
  ],
  ['hex time', '0x5,cpu,read,0,1,,\n', 2, 'time_ns "0x5" is not a whole decimal number of nanoseconds'],
  ['fractional time', '1.5,cpu,read,0,1,,\n', 2, 'time_ns "1.5" is not a whole decimal number of nanoseconds'],
  ['time above 2^53', '9007199254740992,cpu,read,0,1,,\n', 2, 'time_ns "9007199254740992" is above 2^53 - 1'],
  ['unknown op', '0,cpu,load,0,1,,\n', 2, `unknown op "load": use ${OPS}`],
  ['op in capitals', '0,cpu,READ,0,1,,\n', 2, `unknown op "READ": use ${OPS}`],
  ['unknown actor', '0,gpu,read,0,1,,\n', 2, 'unknown actor "gpu": use cpu, or letters and a number such as gpu0'],
  [
    'actor with a sign',
    '0,gpu-1,read,0,1,,\n',
    2,
    'unknown actor "gpu-1": use cpu, or letters and a number such as gpu0',
  ],
  ['bad thread', '0,gpu0,read,0,1,t1,\n', 2, 'thread "t1" is not an integer; leave it empty for none'],
  ['fractional thread', '0,gpu0,read,0,1,1.5,\n', 2, 'thread "1.5" is not an integer; leave it empty for none'],
  [
    'unknown kind',
    '0,cpu,alloc,0,1,,a;kind=unified\n',
    2,
    'unknown kind "unified": use managed, system, device, pinned, file',
  ],
  ['kind twice', '0,cpu,alloc,0,1,,a;kind=file;kind=file\n', 2, 'kind is given twice'],
  ['unknown vma', '0,cpu,alloc,0,1,,a;vma=text\n', 2, 'unknown vma "text": use heap or stack'],
  [
    'unknown alloc option',
    '0,cpu,alloc,0,1,,a;huge=1\n',
    2,
    'cannot read "huge=1" in arg "a;huge=1": use NAME[;kind=KIND][;vma=heap|stack]',
  ],
  ['two names', '0,cpu,alloc,0,1,,a;b\n', 2, 'cannot read "b" in arg "a;b": use NAME[;kind=KIND][;vma=heap|stack]'],
  [
    'unknown invalidate',
    '0,cpu,invalidate,0,1,,swap\n',
    2,
    'unknown sort of invalidate "swap" in arg: use numa, compaction, mprotect, fork, hostio',
  ],
  [
    'no invalidate sort',
    '0,cpu,invalidate,0,1,,\n',
    2,
    'unknown sort of invalidate "" in arg: use numa, compaction, mprotect, fork, hostio',
  ],
  ['prefetch to nobody', '0,cpu,prefetch,0,1,,\n', 2, 'prefetch needs its target actor in arg, for example gpu0'],
  [
    'prefetch to no actor',
    '0,cpu,prefetch,0,1,,device\n',
    2,
    'unknown actor "device": use cpu, or letters and a number such as gpu0',
  ],
  ['no hint', '0,cpu,advise,0,1,,\n', 2, 'advise needs its hint in arg, for example read_mostly or preferred:gpu0'],
  ['hint without actor', '0,cpu,advise,0,1,,preferred\n', 2, 'the hint "preferred" needs an actor: preferred:gpu0'],
  ['hint with a bad actor', '0,cpu,advise,0,1,,pin:device\n', 2, 'the hint "pin:device" needs an actor: pin:gpu0'],
  [
    'hint with a value',
    '0,cpu,advise,0,1,,read_mostly:gpu0\n',
    2,
    'the hint "read_mostly:gpu0" takes no value: use read_mostly',
  ],
  ['empty hint', '0,cpu,advise,0,1,,unset:\n', 2, 'cannot read the hint "unset:": it names nothing'],
  [
    'attribute without name',
    '0,cpu,advise,0,1,,attr:=1\n',
    2,
    'the hint "attr:=1" names no attribute: use attr:NAME[=VALUE][@ACTOR]',
  ],
  [
    'attribute at no actor',
    '0,cpu,advise,0,1,,attr:A=1@x\n',
    2,
    'the hint "attr:A=1@x" needs an actor after "@": @gpu0',
  ],
  [
    'launch on the cpu',
    '0,cpu,launch,,,,\n',
    2,
    'launch by "cpu": the actor of a launch is the device launched on, for example gpu0',
  ],
  [
    'sync of the cpu',
    '0,cpu,sync,,,,\n',
    2,
    'sync by "cpu": the actor of a sync is the device waited for, for example gpu0',
  ],
  ['copy without source', '0,gpu0,copy,0,1,,\n', 2, 'copy needs its source address in arg, for example 0x10000000'],
  ['copy from decimal', '0,gpu0,copy,0,1,,4096\n', 2, 'the source address "4096" in arg is not 0x hex'],
  [
    'copy from bad hex',
    '0,gpu0,copy,0,1,,0xz\n',
    2,
    'the source address in arg "0xz" is not a number: use decimal or 0x hex',
  ],
  [
    'copy from past the end',
    '0,gpu0,copy,0,2,,0x1ffffffffffffff\n',
    2,
    'the source range of the copy at "0x1ffffffffffffff" leaves the address space: addresses lie below 2^57',
  ],
  [
    'access outside',
    `${ALLOC}0,gpu0,read,0x30000,4,,\n`,
    3,
    'the access 0x30000+4 lies outside every allocation; a trace with `alloc` records must allocate all that it touches',
  ],
  [
    'access past the end',
    `${ALLOC}0,gpu0,read,0x1f000,8192,,\n`,
    3,
    'the access 0x1f000+8192 at 0x20000 lies outside every allocation; a trace with `alloc` records must allocate all that it touches',
  ],
  [
    'access before the first alloc',
    `0,cpu,read,0x10000,4,,\n${ALLOC}`,
    2,
    'the access 0x10000+4 lies outside every allocation (the first `alloc` comes in line 3); allocate before use, or not at all',
  ],
  [
    'access after free',
    `${ALLOC}0,cpu,free,0x10000,4096,,\n0,cpu,read,0x10ff0,32,,\n`,
    4,
    'the access 0x10ff0+32 at 0x10000 touches memory that was freed ("a", allocated in line 2); a trace with `alloc` records must allocate all that it touches',
  ],
  [
    'copy from outside',
    `${ALLOC}0,gpu0,copy,0x10000,4096,,0x40000\n`,
    3,
    'the access 0x40000+4096 lies outside every allocation; a trace with `alloc` records must allocate all that it touches',
  ],
  [
    'free of nothing',
    '0,cpu,free,0x10000,4096,,\n',
    2,
    'free 0x10000+4096: nothing is allocated there; free what an `alloc` before it has made, once',
  ],
  [
    'free twice',
    `${ALLOC}0,cpu,free,0x10000,65536,,\n0,cpu,free,0x10000,65536,,\n`,
    4,
    'free 0x10000+65536: nothing is allocated there; free what an `alloc` before it has made, once',
  ],
  [
    'overlap',
    `${ALLOC}0,cpu,alloc,0xf000,8192,,b\n`,
    3,
    'alloc 0xf000+8192 overlaps "a" of line 2 (whole pages 0x10000..0x1ffff); free that first, or use other pages',
  ],
  [
    'shared page',
    '0,cpu,alloc,0x10000,100,,a\n0,cpu,alloc,0x10800,100,,b\n',
    3,
    'alloc 0x10800+100 overlaps "a" of line 2 (whole pages 0x10000..0x10fff); free that first, or use other pages',
  ],
  [
    'open quote',
    '0,cpu,read,"0,1,,\n0,cpu,read,0,1,,\n',
    2,
    'a quoted value is not closed on its line; close it, or double the quote ("")',
  ],
  [
    'line end in quotes',
    '0,cpu,read,0,1,,\n0,cpu,alloc,0,1,,"a\nb"\n',
    3,
    'a quoted value is not closed on its line; close it, or double the quote ("")',
  ],
  [
    'quote inside a value',
    '0,cpu,read,0,1,,\n0,cpu,alloc,0,1,,a"b"\n',
    3,
    'a quote stands inside a value; quote the whole value and double the quotes in it ("")',
  ],
  [
    'text after a quote',
    '0,cpu,read,0,1,,\n\n0,cpu,alloc,0,1,,"a"b\n',
    4,
    'a quote stands inside a value; quote the whole value and double the quotes in it ("")',
  ],
  [
    'NUL byte',
    '0,cpu,read,0,1,,\n0,cpu,re\0ad,0,1,,\n',
    3,
    'the line contains a NUL byte; the file is damaged or not a text trace',
  ],
  ['binary', '!\u0001\u0002\0\u0003', null, 'is binary data, not a text trace'],
  ['zip', '!PK\u0003\u0004...', null, 'is a zip archive: unpack it first'],
  [
    '10 MiB line',
    `0,cpu,read,0,1,,\n0,cpu,read,${'0'.repeat(10 * 2 ** 20)},1,,\n`,
    3,
    'the line is longer than 1 MiB; is this a text trace with line ends?',
  ],
  ['not a trace', '!hello world\n', 1, `unknown column "hello world"; ${COLUMNS}`],
];

describe('bad input', () => {
  it.each(ROWS)('%s', async (_, text, line, message) => {
    const whole = text.startsWith('!') ? text.slice(1) : HEAD + text;
    const error = await compileTraceText(whole, 'x.csv').then(
      () => null,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(TraceError);
    expect((error as TraceError).message).toBe(line === null ? `x.csv: ${message}` : `x.csv:${line}: ${message}`);
    expect((error as TraceError).line).toBe(line);
  });

  it('refuses more than 255 devices', async () => {
    const rows = Array.from({ length: 256 }, (_, i) => `0,gpu${i},read,0,1,,\n`).join('');
    await expect(compileTraceText(HEAD + rows)).rejects.toThrow(
      'trace.csv:257: actor "gpu255" is one too many: at most 255 devices',
    );
  });
});
