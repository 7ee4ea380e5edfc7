import type { ComparisonFormat } from '../registry.ts';

/** The comparison object itself. */
export default {
  name: 'json',
  title: 'the whole comparison, as schema/comparison.schema.json describes it',
  extension: 'json',
  render: (comparison) => `${JSON.stringify(comparison, null, 2)}\n`,
} satisfies ComparisonFormat;
