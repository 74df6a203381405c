// Date's setters, as the standard has them: what is given an argument that is no number makes the date an invalid one. The
// engine's own answer NaN, and leave the date as it was.
(function (native) {
  'use strict';
  const { uncurry } = native;
  const { apply } = Reflect;
  const { defineProperty } = Object;
  const { prototype } = Date;
  const getTime = uncurry(prototype.getTime);
  const setTime = uncurry(prototype.setTime);
  const units = ['Milliseconds', 'Seconds', 'Minutes', 'Hours', 'Date', 'Month', 'FullYear'];
  const names = ['setYear'];
  for (const unit of units) names.push(`set${unit}`, `setUTC${unit}`);

  for (const name of names) {
    const set = prototype[name];
    const ofYears = name === 'setYear' || name === 'setFullYear' || name === 'setUTCFullYear';
    const { [name]: value } = { [name](...fields) {
      const before = getTime(this);
      const time = apply(set, this, fields);
      // An invalid date that gets no year stays what its arguments' conversion may have made of it.
      if (time !== time && (ofYears || before === before)) setTime(this, NaN);
      return time;
    } };
    defineProperty(value, 'length', { __proto__: null, value: set.length });
    defineProperty(prototype, name, { __proto__: null, value });
  }
})
