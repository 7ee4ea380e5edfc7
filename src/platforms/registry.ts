/** Which machine profiles there are: the files of `machines/`, one each, and any JSON file of the user's. */

import { readFileSync } from 'node:fs';
import { codeUrl } from '../code.ts';
import { ConfigurationError, didYouMean } from '../replay/configuration-error.ts';
import { defaultExport, modulesOf } from '../replay/registry.ts';
import type { Platform } from './platform.ts';
import { platformFromProfile } from './profile.ts';

export const DEFAULT_PLATFORM = 'pcie4';

const MACHINES = codeUrl('./platforms/machines/');

export function platformNames(): string[] {
  return [...modulesOf(MACHINES).keys()];
}

/** A shipped profile by name, or a JSON file when the text has a slash or ends in `.json`. */
export async function loadPlatform(nameOrFile: string): Promise<Platform> {
  if (nameOrFile.includes('/') || nameOrFile.endsWith('.json')) return readPlatform(nameOrFile);
  const url = modulesOf(MACHINES).get(nameOrFile);
  if (url === undefined) {
    throw new ConfigurationError(
      `unknown platform "${nameOrFile}"`,
      `${didYouMean(nameOrFile, platformNames())}known are ${platformNames().join(', ')}; a profile of your own is named by its path (./mine.json)`,
    );
  }
  return defaultExport(url);
}

async function readPlatform(file: string): Promise<Platform> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(
      `${file}: cannot read the platform: ${(error as Error).message}`,
      'give a JSON file that exists',
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ConfigurationError(
      `${file}: not JSON: ${(error as Error).message}`,
      'start from the output of `gmem-eval platforms NAME --format json`',
    );
  }
  const { profileSchema } = await import('./profile-schema.ts');
  const parsed = profileSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ConfigurationError(
      `${file}: ${issue.path.length > 0 ? issue.path.join('.') : 'profile'}: ${issue.message}`,
      'schema/platform.schema.json describes the fields; start from `gmem-eval platforms NAME --format json`',
    );
  }
  return platformFromProfile(parsed.data);
}
