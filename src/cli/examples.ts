/** Examples shown by `--help`, by command. A test runs every one of them in the root of the repository. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'gmem-eval': ['gmem-eval run traces/transformer.csv.gz --oversub 1.25', 'gmem-eval models'],
  'gmem-eval run': [
    'gmem-eval run traces/transformer.csv.gz',
    'gmem-eval run traces/transformer.csv.gz --oversub 1.25,2 --format csv',
    'gmem-eval run traces/transformer.csv.gz -m all --device-memory 1GiB --set host.page=2097152',
    'gmem-eval run traces/transformer.csv.gz --platform gh200 --format json --out result.json --events events.jsonl',
  ],
  'gmem-eval trace info': ['gmem-eval trace info traces/transformer.csv.gz'],
  'gmem-eval trace check': ['gmem-eval trace check traces/transformer.csv.gz'],
  'gmem-eval models': ['gmem-eval models', 'gmem-eval models --format json'],
  'gmem-eval metrics': ['gmem-eval metrics'],
  'gmem-eval platforms': [
    'gmem-eval platforms',
    'gmem-eval platforms gtx1080ti',
    'gmem-eval platforms pcie4 --format json',
  ],
};
