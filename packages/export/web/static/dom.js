export const element = (id) => document.getElementById(id);
