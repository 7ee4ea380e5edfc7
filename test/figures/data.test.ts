import { expect, test } from 'vitest';
import { csvText, latex, latexTable } from '../../src/figures/data.ts';
import faults from '../../src/figures/kinds/faults.ts';
import { casesOf } from '../../src/report/cases.ts';
import { resultOf, run } from '../report/fixture.ts';

const figure = (name: string, ...runs: Parameters<typeof resultOf>[0]) => {
  const result = resultOf(runs);
  const named = { ...result, manifest: { ...result.manifest, trace: { ...result.manifest.trace, name } } };
  return faults.build(casesOf([named]), { scale: 'auto', layer: 'faults', heats: [] });
};

test('tidy CSV: one row a run and metric; text that a spreadsheet would run is quoted; null is empty', () => {
  const { tidy } = figure('=cmd|"x",1', run('a', { 'faults.device': 12345, 'faults.host': null }));
  expect(csvText(tidy)).toBe(
    [
      'trace,model,preset,platform,oversubscription,capacity,stack,metric,unit,value',
      `"'=cmd|""x"",1",a,,unit,,,a,faults.device,count,12345`,
      `"'=cmd|""x"",1",a,,unit,,,a,faults.deviceRaw,count,0`,
      `"'=cmd|""x"",1",a,,unit,,,a,faults.host,count,`,
      '',
    ].join('\n'),
  );
});

test('a LaTeX table with the rules of booktabs; what is the same in all rows stands above it', () => {
  expect(latexTable(figure('t.csv', run('a', { 'faults.device': 12345, 'faults.host': null }), run('b')))).toBe(
    String.raw`% Faults: trace t.csv, platform unit, memory unlimited
% needs \usepackage{booktabs}
\begin{tabular}{lrrr}
  \toprule
  stack & faults.device & faults.deviceRaw & faults.host \\
  \midrule
  a & 12{,}345 & 0 & -- \\
  b & 0 & 0 & 0 \\
  \bottomrule
\end{tabular}
`,
  );
});

test('LaTeX specials print as they are', () => {
  expect(latex('a_b%c&d#e$f{g}')).toBe(String.raw`a\_b\%c\&d\#e\$f\{g\}`);
  expect(latex('\\input{x}~^')).toBe(String.raw`\textbackslash{}input\{x\}\textasciitilde{}\textasciicircum{}`);
  expect(latex('<|>"`')).toBe(String.raw`\textless{}\textbar{}\textgreater{}\textquotedbl{}\textasciigrave{}`);
  // After the `\\` of the line before, these would be taken for its argument.
  expect(latex('[1ex]')).toBe('{[}1ex]');
  expect(latex('*')).toBe('{*}');
});

test('a name with a line break cannot leave the comment or the row', () => {
  const text = latexTable(figure('x\n\\input{y}', run('a\n\\end{tabular}')));
  expect(text).not.toContain('\n\\input');
  expect(text.match(/\\end\{tabular\}/g)).toHaveLength(1);
});
