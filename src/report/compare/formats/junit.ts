import { visible } from '../../text.ts';
import { sentence } from '../changes.ts';
import type { ComparedMetric, ComparedRun, Comparison } from '../comparison.ts';
import type { ComparisonFormat } from '../registry.ts';
import { fails } from '../verdict.ts';

/** A suite a run, a case a metric. No times of day: the same results give the same bytes. */
export default {
  name: 'junit',
  title: 'JUnit XML, for GitLab, Jenkins and others',
  extension: 'xml',
  render(comparison) {
    const suites = comparison.runs.map((run) => suite(comparison, run));
    const whole = attributes({ name: 'gmem-eval compare', ...totals(comparison, comparison.runs) });
    return [
      `<?xml version="1.0" encoding="UTF-8"?>`,
      `<testsuites ${whole}>`,
      ...suites.flat(),
      '</testsuites>',
      '',
    ].join('\n');
  },
} satisfies ComparisonFormat;

function totals({ verdict }: Comparison, runs: readonly ComparedRun[]): Record<string, string> {
  const metrics = runs.flatMap((run) => run.metrics);
  return {
    tests: String(metrics.length),
    failures: String(metrics.filter((m) => fails(verdict, m.verdict)).length),
    errors: '0',
    skipped: String(metrics.filter((m) => m.verdict === 'missing').length),
    time: '0',
  };
}

function suite(comparison: Comparison, run: ComparedRun): string[] {
  const name = `${comparison.new.trace}: ${run.run}`;
  return [
    `  <testsuite ${attributes({ name, ...totals(comparison, [run]) })}>`,
    ...run.metrics.flatMap((metric) => testcase(comparison, name, metric)),
    '  </testsuite>',
  ];
}

function testcase({ verdict }: Comparison, classname: string, metric: ComparedMetric): string[] {
  const open = `    <testcase ${attributes({ classname, name: metric.metric, time: '0' })}`;
  if (fails(verdict, metric.verdict)) {
    const rule = metric.rule === null ? '' : ` (tolerance ${metric.tolerance}, ${metric.rule})`;
    const message = `${sentence(metric)}${rule}`;
    return [
      `${open}>`,
      `      <failure ${attributes({ message, type: 'regression' })}>${xml(message)}</failure>`,
      '    </testcase>',
    ];
  }
  if (metric.verdict === 'missing') {
    return [`${open}>`, `      <skipped ${attributes({ message: 'not comparable' })}/>`, '    </testcase>'];
  }
  return [`${open}/>`];
}

function attributes(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${xml(value)}"`)
    .join(' ');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** XML 1.0 cannot hold controls (spelled out), lone surrogates and the two non-characters. */
function xml(text: string): string {
  return visible(text)
    .replace(/[\p{Surrogate}\ufffe\uffff]/gu, '\ufffd')
    .replace(/[&<>"']/g, (c) => ENTITIES[c]);
}
