/** A small table beside the pointer, or beside the mark that the arrow keys have reached; read out in that case. */

const DISTANCE_PX = 14;
const EDGE_PX = 8;

export class Tooltip {
  private readonly box = document.createElement('div');
  private readonly spoken = document.createElement('div');

  constructor(chart: HTMLElement, title: string) {
    this.box.className = 'tip';
    this.box.hidden = true;
    this.box.setAttribute('aria-hidden', 'true');
    this.spoken.className = 'hidden';
    this.spoken.setAttribute('role', 'status');
    this.spoken.setAttribute('aria-label', title);
    chart.after(this.box, this.spoken);
  }

  /** `value` is a table of headings and texts, or nothing where the pointer meets no mark; no event comes when a chart goes. */
  follow(event: MouseEvent | null, value: unknown): void {
    if (event === null) {
      this.hide();
      return;
    }
    const [left, top] = [event.clientX, event.clientY];
    this.showAt({ left, top, right: left, bottom: top }, value, false);
  }

  showAt(mark: Pick<DOMRect, 'left' | 'top' | 'right' | 'bottom'>, value: unknown, isSpoken: boolean): void {
    const lines = linesOf(value);
    if (lines.length === 0) {
      this.hide();
      return;
    }
    this.box.replaceChildren(listOf(lines));
    this.box.hidden = false;
    this.move(mark);
    if (isSpoken) this.spoken.textContent = lines.map(([heading, text]) => `${heading}: ${text}`).join(', ');
  }

  hide(): void {
    this.box.hidden = true;
  }

  /** To the right below, unless the window ends there. */
  private move({ left, top, right, bottom }: Pick<DOMRect, 'left' | 'top' | 'right' | 'bottom'>): void {
    const { width, height } = this.box.getBoundingClientRect();
    const x = right + DISTANCE_PX + width + EDGE_PX > innerWidth ? left - DISTANCE_PX - width : right + DISTANCE_PX;
    const y = bottom + DISTANCE_PX + height + EDGE_PX > innerHeight ? top - DISTANCE_PX - height : bottom + DISTANCE_PX;
    this.box.style.left = `${Math.max(EDGE_PX, x)}px`;
    this.box.style.top = `${Math.max(EDGE_PX, y)}px`;
  }
}

function linesOf(value: unknown): [string, string][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([heading, text]) => (text === '' ? [] : [[heading, String(text)]]));
}

/** Names come from files: they enter as text, never as markup. */
function listOf(lines: readonly (readonly [string, string])[]): HTMLElement {
  const list = document.createElement('dl');
  for (const [heading, text] of lines) {
    const [term, detail] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = heading;
    detail.textContent = text;
    detail.dir = 'auto';
    list.append(term, detail);
  }
  return list;
}
