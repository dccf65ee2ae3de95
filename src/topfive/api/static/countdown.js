/** Counts seconds down where a person has to wait. */

/** Call `show` with the seconds that are left, until none are; what is returned stops it. */
export function countDown(waitS, show) {
  const end = performance.now() + waitS * 1000;
  let timer = 0;
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    if (left === 0) clearInterval(timer);
    show(left);
  };
  timer = setInterval(tick, 250);
  tick();
  return () => clearInterval(timer);
}
