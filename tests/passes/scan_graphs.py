"""Graphs with scans, of every kind that passes tell apart, as text."""

GRAPHS = {
    "lstm": """graph lstm(%h0: f32[B,4], %c0: f32[B,4], %x: f32[T,B,3], %w: f32[3,16], %u: f32[4,16], %b: f32[16]) {
  %h, %c, %hs = scan(%h0, %c0, %x, %w, %u, %b){body=graph step(%h: f32[B,4], %c: f32[B,4], %x: f32[B,3],
      %w: f32[3,16], %u: f32[4,16], %b: f32[16]) {
    %p = matmul(%x, %w)
    %q = matmul(%h, %u)
    %s = add(%p, %q)
    %bb = broadcast(%b){axes=(1,), shape=(B,16)}
    %z = add(%s, %bb)
    %zi = slice(%z){limits=(B,4), starts=(0,0), strides=(1,1)}
    %zf = slice(%z){limits=(B,8), starts=(0,4), strides=(1,1)}
    %zg = slice(%z){limits=(B,12), starts=(0,8), strides=(1,1)}
    %zo = slice(%z){limits=(B,16), starts=(0,12), strides=(1,1)}
    %i = sigmoid(%zi)
    %f = sigmoid(%zf)
    %g = tanh(%zg)
    %o = sigmoid(%zo)
    %fc = multiply(%f, %c)
    %ig = multiply(%i, %g)
    %n = add(%fc, %ig)
    %t = tanh(%n)
    %m = multiply(%o, %t)
    return %m, %n, %m
  }, carried=2, length=T, reverse=false, sliced=1}
  return %h, %c, %hs
}""",
    "masked": """graph masked(%h0: f32[B,4], %x: f32[T,B,4], %keep: bool[T,B,1], %u: f32[4,4]) {
  %h, %hs = scan(%h0, %x, %keep, %u){body=graph step(%h: f32[B,4], %x: f32[B,4], %k: bool[B,1], %u: f32[4,4]) {
    %q = matmul(%h, %u)
    %s = add(%x, %q)
    %n = tanh(%s)
    %kk = broadcast(%k){axes=(0,1), shape=(B,4)}
    %y = select(%kk, %n, %h)
    return %y, %y
  }, carried=1, length=T, reverse=true, sliced=2}
  return %h, %hs
}""",
    "rows meet": """graph meet(%h0: f32[B,4], %x: f32[T,B,4]) {
  %h, %hs = scan(%h0, %x){body=graph step(%h: f32[B,4], %x: f32[B,4]) {
    %a = add(%h, %x)
    %m = reduce_mean(%a){axes=(0,)}
    %s = broadcast(%m){axes=(1,), shape=(B,4)}
    %d = subtract(%a, %s)
    %y = tanh(%d)
    return %y, %m
  }, carried=1, length=T, reverse=false, sliced=1}
  return %h, %hs
}""",
    "side by side": """graph both(%x: f32[B,T,3], %w: f32[3,4], %u: f32[4,4], %v: f32[4,4]) {
  %h0 = full{value=0.0, shape=(B,4), dtype=f32}
  %r = reshape(%x){shape=(B*T,3)}
  %p = matmul(%r, %w)
  %q = reshape(%p){shape=(B,T,4)}
  %a = transpose(%q){perm=(1,0,2)}
  %s = tanh(%q)
  %b = transpose(%s){perm=(1,0,2)}
  %f = scan(%h0, %a, %u){body=graph forth(%h: f32[B,4], %x: f32[B,4], %u: f32[4,4]) {
    %q = matmul(%h, %u)
    %s = add(%x, %q)
    %n = tanh(%s)
    return %n
  }, carried=1, length=T, reverse=false, sliced=1}
  %g = scan(%h0, %b, %v){body=graph back(%h: f32[B,4], %x: f32[B,4], %u: f32[4,4]) {
    %q = matmul(%h, %u)
    %s = add(%x, %q)
    %n = tanh(%s)
    return %n
  }, carried=1, length=T, reverse=true, sliced=1}
  %y = concatenate(%f, %g){axis=1}
  return %y
}""",
    "each": """graph each(%x: f32[T,B,4], %w: f32[4,5]) {
  %y, %z = scan(%x, %w){body=graph step(%x: f32[B,4], %w: f32[4,5]) {
    %p = matmul(%x, %w)
    %y = tanh(%p)
    %z = reduce_sum(%y){axes=(1,)}
    return %y, %z
  }, carried=0, length=T, reverse=false, sliced=1}
  return %y, %z
}""",
    "unread": """graph unread(%a0: f32[B,4], %b0: f32[B,4], %c0: f32[B,4], %x: f32[T,B,4], %n: f32[T,4]) {
  %a, %b, %c, %as, %bs, %xs = scan(%a0, %b0, %c0, %x, %n){body=graph step(%a: f32[B,4], %b: f32[B,4], %c: f32[B,4],
      %x: f32[B,4], %n: f32[4]) {
    %p = add(%a, %x)
    %q = multiply(%b, %x)
    return %p, %q, %c, %p, %q, %x
  }, carried=3, length=T, reverse=false, sliced=2}
  return %a, %c, %xs
}""",
    "swapped": """graph swapped(%a0: f32[B,4], %b0: f32[B,4], %x: f32[T,B,4]) {
  %a, %b, %as = scan(%a0, %b0, %x){body=graph step(%a: f32[B,4], %b: f32[B,4], %x: f32[B,4]) {
    %s = add(%a, %b)
    %n = multiply(%s, %x)
    return %n, %a, %b
  }, carried=2, length=T, reverse=false, sliced=1}
  return %a, %b, %as
}""",
    "nested": """graph nested(%h0: f32[B,3], %x: f32[T,5,B,3], %u: f32[3,3]) {
  %h, %hs = scan(%h0, %x, %u){body=graph outer(%h: f32[B,3], %x: f32[5,B,3], %u: f32[3,3]) {
    %g, %gs = scan(%h, %x, %u){body=graph inner(%h: f32[B,3], %x: f32[B,3], %u: f32[3,3]) {
      %q = matmul(%h, %u)
      %s = add(%q, %x)
      %n = tanh(%s)
      return %n, %n
    }, carried=1, length=5, reverse=true, sliced=1}
    %r = reduce_sum(%gs){axes=(0,)}
    %y = add(%g, %r)
    return %y, %r
  }, carried=1, length=T, reverse=false, sliced=1}
  return %h, %hs
}""",
    "convolved": """graph convolved(%h0: f32[B,5,5,2], %x: f32[T,B,5,5,3], %w: f32[3,3,3,2], %u: f32[3,3,2,2]) {
  %h, %hs = scan(%h0, %x, %w, %u){body=graph step(%h: f32[B,5,5,2], %x: f32[B,5,5,3], %w: f32[3,3,3,2],
      %u: f32[3,3,2,2]) {
    %xx = pad(%x){high=(0,1,1,0), low=(0,1,1,0), value=0.0}
    %p = convolution(%xx, %w){dilations=(1,1), strides=(1,1)}
    %hh = pad(%h){high=(0,1,1,0), low=(0,1,1,0), value=0.0}
    %q = convolution(%hh, %u){dilations=(1,1), strides=(1,1)}
    %s = add(%p, %q)
    %n = tanh(%s)
    return %n, %n
  }, carried=1, length=T, reverse=false, sliced=1}
  return %h, %hs
}""",
    "gathered": """graph gathered(%h0: f32[B,4], %i: i32[T,B], %table: f32[9,4], %u: f32[4,40]) {
  %h, %hs = scan(%h0, %i, %table, %u){body=graph step(%h: f32[B,4], %i: i32[B], %table: f32[9,4], %u: f32[4,40]) {
    %e = gather(%table, %i){axis=0}
    %s = add(%h, %e)
    %q = matmul(%s, %u)
    %a = slice(%q){limits=(B,4), starts=(0,0), strides=(1,1)}
    %n = tanh(%a)
    return %n, %q
  }, carried=1, length=T, reverse=false, sliced=1}
  return %h, %hs
}""",
}
