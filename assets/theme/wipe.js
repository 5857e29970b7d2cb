// Before and after of a clip: both play in step, and a line wipes from one to the other. The first video leads; a trial
// (data-from: the second of the first clip at which it begins) leads the longer clip that it is a part of.
(() => {
  const FAR_S = 0.3;        // further apart than this, the second one jumps; nearer, it runs a little faster or slower
  const NEAR_S = 0.004;     // nearer than this, it is left alone
  const CATCH_UP = 4;       // share of the drift taken back in a second of playing
  const MOST = 0.25;        // at most this much faster or slower

  const groups = () => document.querySelectorAll('.synced');
  const from = group => parseFloat(group.dataset.from || 0);
  const ordered = group => {
    const all = [...group.querySelectorAll('video')];
    return group.dataset.from === undefined ? all : all.reverse();
  };
  const seen = el => el.offsetParent !== null;
  const inside = (event, what) => event.target.closest && event.target.closest(what);

  // A group is held while its second clip catches up: the first waits, so that a slow seek ends where it was meant to.
  const held = new WeakSet();

  function follow(group, lead, others) {
    for (const video of [lead, ...others]) video.loop = false;
    if (lead.ended) {
      lead.currentTime = 0;
      for (const other of others) other.currentTime = from(group);
      held.add(group);
    }
    let ready = !lead.seeking && lead.readyState >= 2;
    for (const other of others) ready = step(group, lead, other) && ready;
    if (held.has(group) && ready) {
      held.delete(group);
      lead.play().catch(() => {});
    }
  }

  // Moves one clip towards the lead; true when it is there and can go on.
  function step(group, lead, other) {
    // A clip that ends sooner rests on its last frame until the other begins again.
    const end = Number.isFinite(other.duration) ? Math.max(0, other.duration - 0.001) : Infinity;
    const there = lead.currentTime + from(group), over = there >= end, target = Math.min(there, end);
    const drift = other.currentTime - target, resting = lead.paused || over;
    if (resting && !other.paused) other.pause();
    if (other.seeking) return false;
    if (Math.abs(drift) > (resting ? NEAR_S / 4 : FAR_S)) {
      other.currentTime = target;
      if (!resting) { held.add(group); lead.pause(); other.pause(); }
      return false;
    }
    if (resting) return over || other.readyState >= 2;
    if (other.readyState < 2) { held.add(group); lead.pause(); return false; }
    const nudge = Math.abs(drift) < NEAR_S ? 0 : Math.max(-MOST, Math.min(MOST, drift * CATCH_UP));
    const rate = lead.playbackRate * (1 - nudge);
    if (Math.abs(other.playbackRate - rate) > 0.002) other.playbackRate = rate;
    if (other.paused) other.play().catch(() => {});
    return true;
  }

  function show(group, lead) {
    const play = group.querySelector('.play'), scrub = group.querySelector('.scrub');
    const word = lead.paused && !held.has(group) ? 'play' : 'pause';
    if (play && play.textContent !== word) play.textContent = word;
    if (scrub && lead.duration && document.activeElement !== scrub) {
      scrub.value = Math.round(1000 * lead.currentTime / lead.duration);
    }
    if (scrub) scrub.setAttribute('aria-valuetext', lead.currentTime.toFixed(2) + ' s');
  }

  function tick() {
    for (const group of groups()) {
      const [lead, ...others] = ordered(group);
      if (!lead || !seen(group)) continue;
      follow(group, lead, others);
      show(group, lead);
    }
    requestAnimationFrame(tick);
  }
  requestAnimationFrame(tick);

  function toggle(group) {
    const [lead] = ordered(group);
    if (!lead) return;
    if (lead.paused && !held.delete(group)) lead.play().catch(() => {});
    else lead.pause();
  }

  function wipeTo(wipe, percent) {
    const at = Math.min(100, Math.max(0, percent));
    wipe.style.setProperty('--at', at + '%');
    const slider = wipe.querySelector('.edge');
    slider.value = at;
    slider.setAttribute('aria-valuetext', Math.round(at) + ' % before, ' + Math.round(100 - at) + ' % after');
  }

  // the line: dragged anywhere on the picture by mouse, pen or finger; by arrow keys when it has the focus
  let dragged = null;
  const place = event => {
    const box = dragged.getBoundingClientRect();
    wipeTo(dragged, 100 * (event.clientX - box.left) / box.width);
  };
  document.addEventListener('pointerdown', event => {
    const wipe = inside(event, '.wipe');
    if (!wipe || event.button !== 0 || inside(event, 'button, .scrub')) return;
    dragged = wipe;
    wipe.setPointerCapture(event.pointerId);
    wipe.querySelector('.edge').focus({preventScroll: true});
    place(event);
    event.preventDefault();
  });
  document.addEventListener('pointermove', event => { if (dragged) place(event); });
  for (const end of ['pointerup', 'pointercancel']) document.addEventListener(end, () => { dragged = null; });

  document.addEventListener('input', event => {
    const edge = inside(event, '.edge'), scrub = inside(event, '.scrub');
    if (edge) wipeTo(edge.closest('.wipe'), parseFloat(edge.value));
    if (!scrub) return;
    const group = scrub.closest('.synced'), [lead] = ordered(group);
    held.delete(group);
    if (lead && lead.duration) { lead.pause(); lead.currentTime = Math.min(lead.duration - 0.001, lead.duration * scrub.value / 1000); }
  });

  document.addEventListener('keydown', event => {
    const group = inside(event, '.synced');
    if (group && event.key === ' ' && event.target.type === 'range') { toggle(group); event.preventDefault(); }
  });

  document.addEventListener('click', event => {
    const play = inside(event, '.synced .play'), view = inside(event, '.synced .view-as');
    if (play) toggle(play.closest('.synced'));
    if (!view) return;
    const group = view.closest('.synced');
    group.classList.toggle('wipe');
    const pair = group.classList.toggle('pair');
    view.textContent = pair ? 'wipe' : 'side by side';
  });
})();
