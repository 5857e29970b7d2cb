// A part of the picture to try something on: dragged over the clip on the Upscale tab's monitor, and kept in its text
// field as "left, top, width, height" in pixels of the clip, where it can be typed as well.
(() => {
  const LEAST = 16;
  const monitor = () => document.querySelector('#upscale-monitor');
  const field = () => document.querySelector('#upscale-region textarea, #upscale-region input');
  const media = () => monitor() && monitor().querySelector('.screen > .media');
  let from = null;

  // where the clip's picture lies in the window, and how many of its pixels one of the window's is
  const frame = el => {
    const box = el.getBoundingClientRect();
    const width = parseFloat(el.style.getPropertyValue('--w')), height = parseFloat(el.style.getPropertyValue('--h'));
    const by = Math.min(box.width / width, box.height / height);
    return {left: box.left + (box.width - width * by) / 2, top: box.top + (box.height - height * by) / 2, by, width, height};
  };
  const inside = (value, most) => Math.max(0, Math.min(most, value));
  const point = (event, at) => [inside((event.clientX - at.left) / at.by, at.width), inside((event.clientY - at.top) / at.by, at.height)];
  const span = (a, b, most) => {
    const size = Math.min(most, Math.max(LEAST, Math.round(Math.abs(a - b))));
    return [Math.round(inside(Math.min(a, b), most - size)), size];
  };

  const write = text => {
    const to = field();
    const kind = to.tagName === 'TEXTAREA' ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, 'value').set.call(to, text);
    to.dispatchEvent(new Event('input', {bubbles: true}));
  };

  document.addEventListener('click', event => {
    if (event.target.closest && event.target.closest('[data-do=mark]')) monitor().classList.add('marking');
  }, true);

  document.addEventListener('pointerdown', event => {
    const el = media();
    if (!el || !monitor().classList.contains('marking') || event.target !== el) return;
    from = point(event, frame(el));
    event.preventDefault();
  });
  document.addEventListener('pointermove', event => {
    if (!from || !media()) return;
    const at = frame(media()), to = point(event, at);
    const [x, width] = span(from[0], to[0], at.width), [y, height] = span(from[1], to[1], at.height);
    write(`${x}, ${y}, ${width}, ${height}`);
    draw();
  });
  for (const name of ['pointerup', 'pointercancel']) document.addEventListener(name, () => {
    if (from) monitor().classList.remove('marking');
    from = null;
  });
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape' && monitor()) monitor().classList.remove('marking');
  });

  // the rectangle over the picture, wherever the text came from
  function draw() {
    const el = media(), home = monitor() && monitor().querySelector('.screen');
    if (!home || !field()) return;
    let box = home.querySelector('.region');
    const part = field().value.split(',').map(Number);
    if (!el || part.length !== 4 || !part.every(Number.isFinite)) { if (box) box.remove(); return; }
    if (!box) { box = document.createElement('div'); box.className = 'region'; home.append(box); }
    const at = frame(el), own = home.getBoundingClientRect();
    const [x, y, width, height] = part.map(px => px * at.by);
    const style = {left: at.left - own.left + x, top: at.top - own.top + y, width, height};
    for (const name in style) box.style[name] = `${style[name]}px`;
  }
  setInterval(draw, 200);
})();
