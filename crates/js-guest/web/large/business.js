// `$`: what business code does most, in few words, on top of the services. A run that has nothing to do with it pays
// nothing: all of it is made at boot and lies in the base image.
(function (native) {
  'use strict';
  const { ai, api, db, decide, every, on, sending, user } = native.business;
  native.business = Object.freeze({
    __proto__: null,
    db,
    api,
    on,
    send: sending,
    every,
    decide,
    get user() { return user(); },
    ai,
  });
})
