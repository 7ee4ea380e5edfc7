/** Rows of traces that these tests write over and over. */

/** One access of 64 bytes a page, all at one time. */
export function sweep(actor: string, op: string, address: number, bytes: number, timeNs: number): string[] {
  const rows: string[] = [];
  for (let at = address; at < address + bytes; at += 4096) rows.push(`${timeNs} ${actor} ${op} ${at} 64`);
  return rows;
}
