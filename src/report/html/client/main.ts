/** The script of a report. Without it the page is complete; with it charts answer to pointer and keys. */
import { Live, type LiveChart } from './live.ts';

interface LiveData {
  readonly config: object;
  readonly charts: readonly LiveChart[];
}

/** Charts are made live shortly before they come into sight: the page stands at once, however many there are. */
const AHEAD = '600px';

start();

function start(): void {
  addThemeButton();
  const { config, charts } = JSON.parse(document.getElementById('live')!.textContent) as LiveData;
  const lives = new Map<Element, Live>();
  for (const chart of charts) {
    const place = document.getElementById(`${chart.id}-chart`)!;
    lives.set(place, new Live(chart, config, place));
  }
  const sight = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        sight.unobserve(target);
        room.observe(target);
      }
    },
    { rootMargin: AHEAD },
  );
  const room = new ResizeObserver((entries) => {
    for (const { target } of entries) void lives.get(target)!.draw();
  });
  for (const place of lives.keys()) sight.observe(place);
}

function addThemeButton(): void {
  const button = document.querySelector<HTMLButtonElement>('button.theme')!;
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = (): boolean => (root.dataset['theme'] ?? (system.matches ? 'dark' : 'light')) === 'dark';
  const label = (): void => {
    button.textContent = isDark() ? 'Light' : 'Dark';
  };
  button.addEventListener('click', () => {
    root.dataset['theme'] = isDark() ? 'light' : 'dark';
    label();
  });
  system.addEventListener('change', label);
  label();
  button.hidden = false;
}
