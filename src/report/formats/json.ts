import type { ReportFormat } from '../registry.ts';

/** The result object itself. */
export default {
  name: 'json',
  title: 'the whole result, as schema/result.schema.json describes it',
  extension: 'json',
  render: (result) => `${JSON.stringify(result, null, 2)}\n`,
} satisfies ReportFormat;
