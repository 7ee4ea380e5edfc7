/** The ends of the program, so that tests can hold them. */
export interface Output {
  write(text: string, done?: (error?: Error | null) => void): boolean;
  readonly isTTY?: boolean;
}

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Writes the answer. A reader that has gone away (`| head`) is a normal end. */
export async function answer(io: Io, text: string): Promise<void> {
  if (text === '') return;
  await new Promise<void>((resolve, reject) => {
    io.stdout.write(text, (error) => {
      if (!error || (error as NodeJS.ErrnoException).code === 'EPIPE') resolve();
      else reject(new OutputError('standard output', error));
    });
  });
}

/** Colours only for people: a terminal, and nobody said no (no-color.org). */
export function wantsColor(io: Io): boolean {
  return io.stdout.isTTY === true && io.env['NO_COLOR'] === undefined && io.env['TERM'] !== 'dumb';
}

/** Something could not be written: the disk is full, the folder is missing, the right is. */
export class OutputError extends Error {
  override name = 'OutputError';
  constructor(where: string, cause: Error) {
    super(`${where}: cannot write: ${cause.message}`, { cause });
  }
}
