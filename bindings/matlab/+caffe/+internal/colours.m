function rows = colours(count)
%COLOURS  So many colours that can be told apart: Okabe and Ito's first, then others around the circle.
known = [0 114 178; 213 94 0; 0 158 115; 204 121 167; 86 180 233; 230 159 0; 0 0 0] / 255;
if count > size(known, 1)
  known = hsv(count) * 0.85;
end
rows = known(1:count, :);
end
