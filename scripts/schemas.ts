/** Writes the published JSON Schemas from the code that checks them: `npx tsx scripts/schemas.ts`. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { schemas } from '../src/report/schemas.ts';

const folder = new URL('../schema/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(schemas())) writeFileSync(new URL(name, folder), text);
