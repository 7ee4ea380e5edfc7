import { readFileSync } from 'node:fs';
import { codeUrl } from '../code.ts';

export function toolVersion(): string {
  return (JSON.parse(readFileSync(codeUrl('../package.json'), 'utf8')) as { version: string }).version;
}
