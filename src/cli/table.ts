/**
 * Lines of text in columns, each as wide as its widest cell, for a terminal.
 *
 * @param rows - cells by line, all with the same number; numbers go to the right of their column.
 */
export function tableOf(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, String(cell).length)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => (typeof cell === 'number' ? String(cell).padStart(widths[at]!) : cell.padEnd(widths[at]!)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}
