import { ConfigurationError } from '../replay/configuration-error.ts';

/** `a,b` and repeated options alike. */
export function listed(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), ...text.split(',').map((item) => item.trim())];
}

export function repeated(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}

export function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new ConfigurationError(`${option} ${text}: not a whole number of at least 1`, 'give for example 1 or 256');
  }
  return Number(text);
}

/** The two ways in which the commands that list things answer. */
export function answerFormat(text: string): 'table' | 'json' {
  if (text === 'table' || text === 'json') return text;
  throw new ConfigurationError(`--format ${text}: no such format here`, 'give table or json');
}
