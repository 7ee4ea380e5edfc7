import { expect, test } from 'vitest';
import { escapeHtml, escapeJson, html } from '../../../src/report/html/escape.ts';
import { htmlReport } from '../../../src/report/html/page.ts';
import { limited, resultOf, run } from '../fixture.ts';

test('text becomes no markup, in elements and in attributes', () => {
  expect(escapeHtml(`<a href='x' b="&">`)).toBe('&lt;a href=&#39;x&#39; b=&quot;&amp;&quot;&gt;');
  expect(escapeHtml('a\u202eb\u0000')).toBe('a\\u202eb\\u0000');
  expect(html`<p title="${'"'}">${'<b>'}${html`<i>${1}</i>`}${[html`<u/>`]}</p>`.text).toBe(
    '<p title="&quot;">&lt;b&gt;<i>1</i><u/></p>',
  );
});

test('data cannot end its element, and is the same data', () => {
  const value = { a: '</script><!-- & \u2028', b: [1, null] };
  const text = escapeJson(value);
  expect(text).not.toMatch(/[<>&\u2028]/);
  expect(JSON.parse(text)).toEqual(value);
});

test('one file with all in it: results as JSON, no address to load from', () => {
  const result = resultOf([limited('a', 1, 10), limited('b', 1, 10)]);
  const text = htmlReport([result]);
  expect(text).not.toMatch(/\b(?:src|href)="(?!#)/);
  const [, json] = /<script type="application\/json" id="results">(.*?)<\/script>/s.exec(text)!;
  expect(JSON.parse(json)).toEqual([result]);
  expect(htmlReport([result])).toBe(text);
});

test('the best of a row is marked: the least, the most, nobody where all are alike or neither is better', () => {
  const text = htmlReport([
    resultOf([
      run('a', { 'faults.device': 3, 'speculation.used': 5, 'accesses.device': 1, batches: 2, slowdown: null }),
      run('b', { 'faults.device': 2, 'speculation.used': 6, 'accesses.device': 2, batches: 2, slowdown: 3 }),
    ]),
  ]);
  const all = text.slice(text.indexOf('<summary>All metrics'));
  const best = (metric: string): boolean[] => {
    const [row] = new RegExp(`<tr><th scope="row"><abbr[^>]*>${metric}<[\\s\\S]*?</tr>`).exec(all)!;
    return [...row.matchAll(/<td( class="best")?>/g)].map(([, mark]) => mark !== undefined);
  };
  expect(best('faults.device')).toEqual([false, true]);
  expect(best('speculation.used')).toEqual([false, true]);
  expect(best('accesses.device')).toEqual([false, false]);
  expect(best('batches')).toEqual([false, false]);
  // One value is not better than none.
  expect(best('slowdown')).toEqual([false, false]);
});

test('results of one trace and machine stand in one table, others in sections of their own', () => {
  const one = resultOf([run('a')]);
  const two = resultOf([run('b')]);
  const far = { ...two, manifest: { ...two.manifest, platform: { ...two.manifest.platform, name: 'far' } } };
  const sections = (text: string): number => text.match(/<h2 /g)!.length;
  expect(sections(htmlReport([one, two]))).toBe(1);
  expect(sections(htmlReport([one, far]))).toBe(2);
});

test('curves only where there are several sizes', () => {
  const at = (ratio: number) => {
    const base = limited('a', ratio, 10 / ratio);
    return { ...base, metrics: { ...base.metrics, slowdown: ratio } };
  };
  expect(htmlReport([resultOf([at(1), at(2)])])).toContain('id="g0-slowdown-vs-oversubscription"');
  expect(htmlReport([resultOf([at(1)])])).not.toContain('slowdown-vs-oversubscription');
});

test('parameters that depend on the size say so; warnings stand once with their stacks', () => {
  const text = htmlReport([
    resultOf([
      { ...limited('a', 1, 8), parameters: { range: 2, on: true }, warnings: ['w'] },
      { ...limited('a', 2, 4), parameters: { range: 1, on: true }, warnings: ['w'] },
      limited('b', 2, 4),
    ]),
  ]);
  expect(text).toContain('<th scope="row">a</th><td>range</td><td>2 (1x); 1 (2x)</td>');
  expect(text).toContain('<td>on</td><td>true</td>');
  expect(text.match(/Warning of a: w/g)).toHaveLength(1);
});
