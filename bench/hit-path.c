/*
 * The least that a replay of touches could do: read the dispatch byte and the page id of each row, test one 32-bit word
 * of the page, count the misses. hit-path FILE TOUCHES PAGES REPEATS; FILE holds the page ids of all rows (32 bits each),
 * then their dispatch bytes. Prints CPU seconds of the loop and the misses. What it reads has been read before: a virtual
 * machine may take long over the first look at a page of memory.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ACTORS = 2, KINDS = 3, OWN_KINDS = 2, CODES = ACTORS * KINDS };

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  size_t touches = strtoull(argv[2], NULL, 10), pages = strtoull(argv[3], NULL, 10);
  long repeats = strtol(argv[4], NULL, 10);
  int32_t *page = malloc(touches * sizeof *page);
  uint8_t *code = malloc(touches);
  FILE *file = fopen(argv[1], "rb");
  if (!page || !code || !file) return 1;
  if (fread(page, sizeof *page, touches, file) != touches || fread(code, 1, touches, file) != touches) return 1;
  fclose(file);

  int32_t base[256];
  for (int c = 0; c < 256; c++) base[c] = -1;
  for (int c = 0; c < CODES; c++) {
    int kind = c % KINDS < OWN_KINDS ? c % KINDS : OWN_KINDS - 1;
    base[c] = (int32_t)((c / KINDS * OWN_KINDS + kind) * pages);
  }
  int32_t *words = malloc(ACTORS * OWN_KINDS * pages * sizeof *words);
  if (!words) return 1;
  const int32_t all = (int32_t)repeats > 0 ? 1 : 0;
  for (size_t i = 0; i < ACTORS * OWN_KINDS * pages; i++) words[i] = all;

  volatile int32_t look;
  for (size_t row = 0; row < touches; row += 512) look = page[row] + code[row];
  (void)look;

  uint64_t misses = 0;
  clock_t begin = clock();
  for (long r = 0; r < repeats; r++) {
    for (size_t row = 0; row < touches; row++) {
      int32_t at = base[code[row]];
      if (at < 0 || words[at + page[row]] != all) misses++;
    }
  }
  double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
  printf("{\"cpuSeconds\":%.6f,\"misses\":%llu}\n", seconds, (unsigned long long)misses);
  return 0;
}
