/** A folder is the registry: every `NAME.ts` (or built `NAME.js`) and every folder `NAME` with an `index` in it. */

import { existsSync, readdirSync } from 'node:fs';
import { register } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { codeUrl } from '../code.ts';
import { ConfigurationError, didYouMean } from './configuration-error.ts';
import type { ModelDefinition } from './model.ts';

/** Module addresses by name, names sorted. */
export function modulesOf(folder: URL): Map<string, URL> {
  const found = new Map<string, URL>();
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) {
      const index = ['index.ts', 'index.js']
        .map((file) => new URL(`${entry.name}/${file}`, folder))
        .find((url) => existsSync(url));
      if (index !== undefined) found.set(entry.name, index);
    } else {
      const name = /^([^.]+)\.(?:ts|js)$/.exec(entry.name)?.[1];
      if (name !== undefined) found.set(name, new URL(entry.name, folder));
    }
  }
  return found;
}

export async function defaultExport<T>(url: URL): Promise<T> {
  return ((await import(/* @vite-ignore */ url.href)) as { default: T }).default;
}

const MODELS = codeUrl('./models/');

export function modelNames(): string[] {
  return [...modulesOf(MODELS).keys()];
}

/** All models of the folder: those that run by default first, in the order that they declare, then the others by name. */
export async function allModels(): Promise<ModelDefinition[]> {
  const models = await Promise.all([...modulesOf(MODELS).values()].map((url) => defaultExport<ModelDefinition>(url)));
  const place = (m: ModelDefinition) => m.defaultOrder ?? Number.POSITIVE_INFINITY;
  return models.sort((a, b) => {
    const [pa, pb] = [place(a), place(b)];
    return pa === pb ? (a.name < b.name ? -1 : 1) : pa - pb;
  });
}

export async function defaultModels(): Promise<ModelDefinition[]> {
  return (await allModels()).filter((model) => model.defaultOrder !== undefined);
}

/** A model by name, or the default export of a module when the text is a path (it has a slash or ends in .js, .mjs, .ts). */
export async function loadModel(nameOrPath: string): Promise<ModelDefinition> {
  if (isModulePath(nameOrPath)) return modelFromModule(nameOrPath);
  const url = modulesOf(MODELS).get(nameOrPath);
  if (url === undefined) {
    const known = (await allModels()).map((m) => m.name);
    throw new ConfigurationError(
      `unknown model "${nameOrPath}"`,
      `${didYouMean(nameOrPath, known)}known are ${known.join(', ')}; a model of your own is named by its path (./mine.js)`,
    );
  }
  return defaultExport(url);
}

export function isModulePath(text: string): boolean {
  return /[/\\]/.test(text) || /\.(?:js|mjs|ts)$/.test(text);
}

async function modelFromModule(path: string): Promise<ModelDefinition> {
  const file = resolve(path);
  if (!existsSync(file)) {
    throw new ConfigurationError(
      `${path}: no such model module`,
      'check the path; it is relative to the current folder',
    );
  }
  resolveOwnName();
  let loaded: { default?: unknown };
  try {
    loaded = await import(/* @vite-ignore */ pathToFileURL(file).href);
  } catch (error) {
    throw new ConfigurationError(
      `${path}: the module does not load: ${error instanceof Error ? error.message : String(error)}`,
      'mend the module, or set DEBUG=1 to see where it fails',
      { cause: error },
    );
  }
  const wrong = whatIsWrong(loaded.default);
  if (wrong !== null) {
    throw new ConfigurationError(
      `${path}: not a model: ${wrong}`,
      "export default defineModel({ name, title, summary, sources, presets, parameters, create }) from 'gmem-eval'",
    );
  }
  return loaded.default as ModelDefinition;
}

let resolvesOwnName = false;

/** Lets `import ... from 'gmem-eval'` in a user's module mean this program where no such package is installed. */
function resolveOwnName(): void {
  if (resolvesOwnName) return;
  resolvesOwnName = true;
  const library = codeUrl('./index.ts').href;
  const hook = `export async function resolve(name, context, next) {
    try {
      return await next(name, context);
    } catch (error) {
      if (name === 'gmem-eval') return next(${JSON.stringify(library)}, context);
      throw error;
    }
  }`;
  register(`data:text/javascript,${encodeURIComponent(hook)}`);
}

function whatIsWrong(candidate: unknown): string | null {
  if (candidate === null || typeof candidate !== 'object') return 'the module has no default export of an object';
  const model = candidate as Partial<ModelDefinition>;
  if (typeof model.name !== 'string' || !/^[a-z][a-z0-9-]*$/i.test(model.name)) {
    return 'name is missing or not made of letters, digits and dashes';
  }
  if (typeof model.title !== 'string') return 'title is missing';
  if (!Array.isArray(model.summary)) return 'summary is missing';
  if (!Array.isArray(model.sources)) return 'sources is missing';
  if (model.presets === null || typeof model.presets !== 'object' || Object.keys(model.presets).length === 0) {
    return 'presets is missing or empty';
  }
  if (model.parameters === null || typeof model.parameters !== 'object') return 'parameters is missing';
  if (typeof model.create !== 'function') return 'create is not a function';
  return null;
}
