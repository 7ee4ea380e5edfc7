/** Examples shown by `--help`, by command. A test runs every one of them in the root of the repository. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'gmem-eval': ['gmem-eval run traces/stream_triad.csv.gz --oversub 2', 'gmem-eval models'],
  'gmem-eval run': [
    'gmem-eval run traces/cyclic.csv --oversub 1,1.25,2',
    'gmem-eval run traces/thrash.csv -m all --in-flight 1 --format csv',
    'gmem-eval run traces/two-devices.csv --device-memory gpu0=4MiB/gpu1=1GiB --set host.page=64KiB',
    'gmem-eval run traces/hints.csv --platform gh200 --format json --out result.json --events events.jsonl',
    'gmem-eval run traces/cyclic.csv --baseline base.json',
    'gmem-eval run traces/cyclic.csv --oversub 1.25 --baseline limited.json --update-baseline',
  ],
  'gmem-eval compare': [
    'gmem-eval compare base.json new.json',
    'gmem-eval compare base.json new.json --format github --report junit=gmem-eval.xml --allow-missing',
  ],
  'gmem-eval explain': [
    'gmem-eval explain traces/ping-pong.csv --page 0x20000000',
    'gmem-eval explain traces/cyclic.csv --top 3 --oversub 1.25',
    'gmem-eval explain traces/two-devices.csv --top 5 -m all --platform gh200 --format json',
  ],
  'gmem-eval trace': ['gmem-eval trace info traces/sparse.csv'],
  'gmem-eval trace info': ['gmem-eval trace info traces/transformer.csv.gz'],
  'gmem-eval trace compile': ['gmem-eval trace compile traces/transformer.csv.gz --out transformer.arrow'],
  'gmem-eval trace check': ['gmem-eval trace check traces/two-devices.csv'],
  'gmem-eval report': ['gmem-eval report base.json --out report'],
  'gmem-eval figure': ['gmem-eval figure base.json --kind migration --width 84mm --out migration.pdf --data'],
  'gmem-eval models': ['gmem-eval models', 'gmem-eval models --format json'],
  'gmem-eval metrics': ['gmem-eval metrics'],
  'gmem-eval platforms': [
    'gmem-eval platforms',
    'gmem-eval platforms gtx1080ti',
    'gmem-eval platforms pcie4 --format json',
  ],
};
