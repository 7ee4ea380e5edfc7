import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    pool: 'threads',
    // No test may write into the cache of whoever runs it.
    env: { GMEM_EVAL_CACHE_SIZE: '0' },
  },
});
